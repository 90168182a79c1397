"""Numbers as text: few digits, and percentages that add up.

A percentage is its share, rounded; it is never changed to make a sum come out. Where the whole percents of a group
would not add up to 100, or would hide a share, all percentages of the group get one decimal. So the percentages at the
edges into one node add up to 100, up to the rounding of the last digit; equal shares have equal texts; and 0% means
that there is none.

Every picture, page and table takes its texts from here. A page opens and closes modules by itself, which makes groups
that are not known here; `forms` gives it both texts of each share, and it chooses between them as `form` does.

Read next: `viz/words.py`, how names are written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def short(number: float, digits: int = 4) -> str:
    """The number with that many significant digits, but with all digits before the point, up to five.

    >>> short(-6.94169), short(1003.4), short(0.000012345), short(2.0)
    ('-6.942', '1003', '1.234e-5', '2')
    """
    if not math.isfinite(number):
        return str(number)
    power = int(f"{number:.4e}".partition("e")[2])
    if -4 <= power < 5:
        return _trimmed(f"{number + 0.0:.{max(digits - 1 - power, 0)}f}")  # -0.0 + 0.0 is 0.0
    mantissa, _, exponent = f"{number:.{digits - 1}e}".partition("e")
    return f"{_trimmed(mantissa)}e{int(exponent)}"


def _trimmed(text: str) -> str:
    """Without zeros after the last significant digit behind the point."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A single share with two decimals; a dash for nan, the share in a gradient of zero.

    >>> percent(0.25), percent(-0.00001), percent(0.0)
    ('25.00%', '-<0.01%', '0%')
    """
    return "–" if math.isnan(share) else _percent(share, 2)


def times(ratio: float) -> str:
    """A ratio of two sizes; "=" where no digit shows a difference, empty for nan.

    >>> times(1.25), times(1.00001), times(float("nan"))
    ('×1.25', '=', '')
    """
    if math.isnan(ratio):
        return ""
    return "=" if short(ratio, 3) == "1" else f"×{short(ratio, 3)}"


def points(change: float) -> str:
    """A difference of two shares in percentage points; "=" where no digit shows it, empty for nan.

    >>> points(0.125), points(-0.00001), points(float("nan"))
    ('+12.50', '=', '')
    """
    if math.isnan(change):
        return ""
    return f"{100 * change:+.2f}" if f"{abs(100 * change):.2f}" != "0.00" else "="


def memory(count: int) -> str:
    """A number of bytes, in the largest unit of which there is one.

    >>> memory(0), memory(812), memory(1536), memory(7_340_032)
    ('0 B', '812 B', '1.54 kB', '7.34 MB')
    """
    power = min(max(len(str(count)) - 1, 0) // 3, 5)
    return f"{short(count / 1000**power, 3)} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"


def percents(shares: Sequence[float]) -> list[str]:
    """The shares of one whole as percentages; empty for nan.

    >>> percents([0.75, 0.25]), percents([1.012, -0.012]), percents([2 / 3, 1 / 3 - 1e-5, 1e-5])
    (['75%', '25%'], ['101%', '-1%'], ['66.7%', '33.3%', '<0.1%'])
    """
    made = [forms(share) for share in shares]
    chosen = form([whole for _, _, whole in made])
    return [(whole, tenths)[chosen] for whole, tenths, _ in made]


def forms(share: float) -> tuple[str, str, int | None]:
    """A share in whole percents, and with one decimal; and the whole percents as a number, None if 0 would hide it.

    >>> forms(0.857), forms(0.004), forms(float("nan"))
    (('86%', '85.7%', 86), ('<1%', '0.4%', None), ('', '', 0))
    """
    if math.isnan(share):
        return "", "", 0
    whole = round(100 * share) if math.isfinite(share) else 0
    return _percent(share, 0), _percent(share, 1), whole if whole or not share else None


def form(wholes: Sequence[int | None]) -> int:
    """Which of its two forms each share of a group has: 0 for whole percents, 1 for one decimal."""
    return 0 if None not in wholes and sum(whole or 0 for whole in wholes) == 100 else 1


def _percent(share: float, decimals: int) -> str:
    if not share:
        return "0%"
    if abs(share) >= 100:  # much was cancelled: digits behind the point mean nothing
        return f"{short(100 * share, 3)}%"
    least = 0.5 * 10.0 ** -(decimals + 2)
    if abs(share) < least:
        return f"{'-' if share < 0 else ''}<{10.0**-decimals:g}%"
    return f"{share:.{decimals}%}"
