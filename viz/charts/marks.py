"""The elements of a chart: shapes, texts, tooltips and numbers.

Text from outside goes through `escaped`; attributes are numbers, and class names from this package.

Read next: `viz/charts/scale.py`, sizes as colours.
"""

from __future__ import annotations

import html

from viz import digits
from viz.words import printable


def escaped(text: str) -> str:
    """Text from outside, made safe for markup."""
    return html.escape(printable(text))


def tag(name: str, *content: str, **attributes: str | float) -> str:
    """An element: `tag("text", "a", x=1, text_anchor="end")`. Its content is markup; a class is given as `class_`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{value if isinstance(value, str) else _pixels(value)}"'
        for key, value in attributes.items()
        if value != ""
    )
    return f"<{name}{given}>{''.join(content)}</{name}>" if content else f"<{name}{given}/>"


def words(text: str, x: float, y: float, class_: str = "", anchor: str = "") -> str:
    """A text that starts at a place; with `anchor` "middle" or "end", its middle or its end is there."""
    return tag("text", escaped(text), x=x, y=y, class_=class_, text_anchor=anchor)


def tip(text: str) -> str:
    """A tooltip, shown while the pointer rests on the element around it."""
    return tag("title", escaped(text))


def picture(width: float, height: float, about: str, *marks: str, class_: str = "chart") -> str:
    """The whole chart; screen readers read `about`, which says what it shows."""
    return tag(
        "svg",
        *marks,
        class_=class_,
        viewBox=f"0 0 {_pixels(width)} {_pixels(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=escaped(about),
    )


def short(value: float) -> str:
    """Three significant digits, and commas between thousands as in counts: -0.00213, 12,500, 3.1e-7, inf."""
    return f"{value:,.0f}" if 999.5 <= abs(value) < 1e5 else digits.short(value, 3)


def _pixels(value: float) -> str:
    """A number of pixels, with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
