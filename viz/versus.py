"""versus: a comparison as tables with bars, for a terminal.

A bar to the right means more in the second flow than in the first. Its length is proportional to the logarithm of a
ratio, or to a difference; the longest bar in a table is the largest of these, but no small one: it stands for a tenth
at least, or for one percentage point. A change that no digit shows has no bar.

Read next: `viz/drawing/__init__.py`, pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from viz.digits import percent, points, short, times
from viz.words import columns, printable, shortened

_HALF = 14  # columns of the longest bar to either side
_LONGEST = 40  # columns of a name
_LEAST_RATIO, _LEAST_POINTS = math.log(1.1), 0.01  # of the longest bar


def tables(
    names: tuple[str, str],
    losses: tuple[float, float],
    gradients: Sequence[tuple[str, float, float, float]],
    shares: Sequence[tuple[str, float, float, float]],
) -> str:
    """A row is a name, a number for each flow, and the ratio of two gradients or the difference of two shares.

    A number is nan where a flow does not have the row, a ratio also where both gradients are zero but for rounding.
    """
    first, second = (shortened(printable(name), _LONGEST) for name in names)
    logs = [math.log(ratio) if ratio > 0 else -math.inf if ratio == 0 else math.nan for *_, ratio in gradients]
    ratios = [
        (name, _number(a), _number(b), times(ratio), bar if times(ratio) != "=" else "")
        for (name, a, b, ratio), bar in zip(gradients, _bars(logs, _LEAST_RATIO), strict=True)
    ]
    changes = [
        (name, _percent(a), _percent(b), points(change), bar if points(change) != "=" else "")
        for (name, a, b, change), bar in zip(shares, _bars([row[3] for row in shares], _LEAST_POINTS), strict=True)
    ]
    loss = ("value of the loss", _number(losses[0]), _number(losses[1]), "", "")
    return "\n".join(
        [
            *_aligned(("rms of the gradient", first, second, "ratio", ""), [loss, *ratios]),
            "",
            *_aligned(("share of the blame", first, second, "points", ""), changes),
        ]
    )


def _aligned(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, *((shortened(printable(name), _LONGEST), *cells) for name, *cells in rows)]
    widths = [max(columns(line[k]) for line in lines) for k in range(4)]
    return ["  ".join([*_padded(line[:4], widths), line[4]]).rstrip() for line in lines]


def _padded(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """The name aligned to the left, the numbers to the right."""
    for k, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        room = " " * (width - columns(cell))
        yield room + cell if k else cell + room


def _number(value: float) -> str:
    return "" if math.isnan(value) else short(value, 3)


def _percent(value: float) -> str:
    return "" if math.isnan(value) else percent(value)


def _bars(sizes: Sequence[float], least: float) -> list[str]:
    """A bar for each size, to the right of a middle line if it is positive, to the left if it is negative.

    The longest is that of the largest size, or of `least` if all are smaller.
    """
    longest = max((abs(size) for size in sizes if math.isfinite(size)), default=0.0)
    return [_bar(size, max(longest, least)) for size in sizes]


def _bar(size: float, longest: float) -> str:
    if math.isnan(size):
        return ""
    part = 1.0 if math.isinf(size) else abs(size) / longest
    halves = round(part * _HALF * 2)
    whole, half = divmod(halves, 2)
    if size < 0:
        return f"{'▐' * half + '█' * whole:>{_HALF}}│"
    return f"{'':>{_HALF}}│{'█' * whole + '▌' * half}"
