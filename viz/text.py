"""Blame as a tree of modules with bars, for a terminal.

Every row is a module's parameters, or a leaf outside of modules. What stands under a row adds up to it, and the
outermost rows add up to all. A module that holds parameters beside other modules has a row for those of its own.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from viz.checks import check_depth
from viz.data import Parameter
from viz.digits import percent, short

_WIDTH = 98  # of the whole table, in columns
_BAR = 20  # of the longest bar
_NARROWEST = 12  # that a name is cut to, however deep it stands
_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEAD = ("share", "", "|gradient|", "rms", "parameters")


@dataclass
class _Row:
    """The parameters of a module, or a leaf: the norm of their gradient, their size, and rows inside it."""

    norm: float = 0.0
    size: int = 0
    inner: dict[tuple[str, ...], _Row] = field(default_factory=dict)


def tree(loss: float, parameters: Sequence[Parameter], depth: int) -> str:
    """Modules down to `depth`, in the order of first use: share, bar, norm, root mean square, number of parameters."""
    check_depth("text", depth)
    everything = _sums(parameters, depth)
    largest = max((row.norm for row in everything.inner.values()), default=0.0)
    lines: list[tuple[str, ...]] = [("", "stage", *_HEAD)]
    for branch, name, row in _walk(everything):
        lines.append((branch, name, *_cells(row, everything.norm, _bar(_part(row.norm, largest)))))
    lines.append(("", "all", *_cells(everything, everything.norm, f"loss {short(loss, 6)}")))
    return _aligned(lines)


def _part(norm: float, whole: float) -> float:
    """The part of a gradient in the square of a norm; nan where that is zero or not finite."""
    return (norm / whole) ** 2 if 0 < whole < math.inf else math.nan


def printable(name: str) -> str:
    """The name with control characters shown, not obeyed."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def columns(text: str) -> int:
    """How many columns a terminal gives it: two to a wide character, none to a mark that stands on another."""
    marks = ("Mn", "Me")
    return sum(
        0 if unicodedata.category(c) in marks else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def shortened(text: str, most: int) -> str:
    """The text without its middle where it has more columns than `most`; its end says more, so more of that is kept."""
    if columns(text) <= most:
        return text
    head = _begin(text, (most - 1) // 3)
    return head + "…" + _begin(text[::-1], most - 1 - columns(head))[::-1]


def _begin(text: str, most: int) -> str:
    """As many characters as fit into so many columns."""
    used = 0
    for place, character in enumerate(text):
        used += columns(character)
        if used > most:
            return text[:place]
    return text


def _sums(parameters: Sequence[Parameter], depth: int) -> _Row:
    """The tree, from its root. A row goes by the last part of its path; a leaf, or "its own", by a pair."""
    holders = {parameter.scope[:k] for parameter in parameters for k in range(1, min(len(parameter.scope), depth))}
    root = _Row()
    for parameter in parameters:
        path: list[tuple[str, ...]] = [(part,) for part in parameter.scope[:depth]]
        if not path:
            path = [(parameter.name or "(no module)", "leaf")]
        elif parameter.scope in holders:
            path.append(("(its own)", "leaf"))
        rows = [root]
        for key in path:
            rows.append(rows[-1].inner.setdefault(key, _Row()))
        for row in rows:
            row.norm = math.hypot(row.norm, parameter.norm)
            row.size += parameter.size
    return root


def _walk(row: _Row, before: str = "", outermost: bool = True) -> Iterator[tuple[str, str, _Row]]:
    """Branch, name and row of everything inside, from top to bottom."""
    for place, (key, inner) in enumerate(row.inner.items(), 1):
        last = place == len(row.inner)
        branch, below = ("", "") if outermost else ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield before + branch, key[0] or "(no name)", inner
        yield from _walk(inner, before + below, outermost=False)


def _cells(row: _Row, total: float, bar: str) -> tuple[str, ...]:
    share = _part(row.norm, total)
    rms = row.norm / math.sqrt(row.size) if row.size else 0.0
    return percent(share), bar, short(row.norm, 3), short(rms, 3), f"{row.size:,}"


def _bar(part: float) -> str:
    if not 0 < part <= 1:  # also nan
        return ""
    eighths = max(round(part * _BAR * 8), 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _aligned(lines: Sequence[tuple[str, ...]]) -> str:
    """Branches and names at the left, then numbers at the right of their columns, with the bar between them."""
    widths = [max(columns(line[k]) for line in lines) for k in range(2, len(lines[0]))]
    free = _WIDTH - sum(2 + width for width in widths)
    names = []
    for branch, name, *_ in lines:
        names.append(branch + shortened(printable(name), max(free - columns(branch), _NARROWEST)))
    width = max(columns(name) for name in names)
    text = []
    for name, (_, _, share, bar, *numbers) in zip(names, lines, strict=True):
        cells = [name + " " * (width - columns(name)), f"{share:>{widths[0]}}", f"{bar:<{widths[1]}}"]
        cells += [f"{number:>{wide}}" for number, wide in zip(numbers, widths[2:], strict=True)]
        text.append("  ".join(cells))
    return "\n".join(text)
