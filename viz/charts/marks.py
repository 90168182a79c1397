"""The smallest pieces of a chart: an element, a text, a tooltip, a number in words.

Everything that comes from outside passes `escaped`; attributes are numbers and class names of our own.
"""

from __future__ import annotations

import html

from viz import digits
from viz.words import printable


def escaped(text: str) -> str:
    """Text from outside, to stand in markup."""
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
    """A text at a place; `anchor` is "middle" or "end", otherwise it starts there."""
    return tag("text", escaped(text), x=x, y=y, class_=class_, text_anchor=anchor)


def tip(text: str) -> str:
    """What shows while the pointer rests on the element around it."""
    return tag("title", escaped(text))


def picture(width: float, height: float, about: str, *marks: str, class_: str = "chart") -> str:
    """The whole chart; `about` says in words what it shows, for those who cannot see it."""
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
    """A number in three significant digits, as people write it: −0.00213, 12,500, 3.1e−7, ∞."""
    written = f"{value:,.0f}" if 999.5 <= abs(value) < 1e5 else digits.short(value, 3)
    return written.replace("-", "−").replace("inf", "∞")


def _pixels(value: float) -> str:
    """Hundredths of a pixel are enough."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
