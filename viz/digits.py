"""Numbers for people: few digits, and percentages that do not lie.

A percentage is its share, rounded; it is never moved to make a sum come out. Where whole percents would not add up to
100, or would hide a share, all percentages of the group get one decimal. So what stands at the edges into one node adds
up to 100 up to the rounding of its last digit, equal shares look equal, and 0% means none.

Read next: `viz/words.py`, how names are written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def short(number: float, digits: int = 4) -> str:
    """The number with that many significant digits, and in any case with all before the point, up to five.

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
    """Without zeros at the end that say nothing."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share with two decimals; a small one does not become nothing."""
    return "<0.01%" if 0 < share < 5e-5 else f"{share:.2%}"


def percents(shares: Sequence[float]) -> list[str]:
    """The shares of one whole as percentages; empty for a nan, which is a share of nothing.

    >>> percents([0.75, 0.25]), percents([1.012, -0.012]), percents([2 / 3, 1 / 3 - 1e-5, 1e-5])
    (['75%', '25%'], ['101%', '-1%'], ['66.7%', '33.3%', '<0.1%'])
    """
    known = [share for share in shares if not math.isnan(share)]
    decimals = 0 if _add_up(known) else 1
    return ["" if math.isnan(share) else _percent(share, decimals) for share in shares]


def _add_up(shares: Sequence[float]) -> bool:
    """Whether whole percents add up to 100 and show every share that is not zero."""
    if not all(math.isfinite(share) for share in shares):
        return False
    whole = [round(100 * share) for share in shares]
    return sum(whole) == 100 and all(shown or not share for shown, share in zip(whole, shares))


def _percent(share: float, decimals: int) -> str:
    if not share:
        return "0%"
    if abs(share) >= 100:  # so much was cancelled that digits behind the point mean nothing
        return f"{short(100 * share, 3)}%"
    if abs(share) < 0.0005:
        return "<0.1%" if share > 0 else "-<0.1%"
    return f"{share:.{decimals}%}"
