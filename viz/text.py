"""Blame as a tree of modules with bars, for a terminal.

Every row is a module's parameters, or a leaf outside all modules. The rows below a row add up to it, and the outermost
rows to the total. A module with inner modules and parameters of its own has a row "(its own)" for these. What is kept
for the backward pass has a column; a module without parameters has a row if it keeps something.

Read next: `viz/digits.py`, how numbers are written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from viz.checks import check_depth
from viz.data import Kept, Node, Parameter
from viz.digits import memory as bytes_of
from viz.digits import percent, short
from viz.figures import first_trouble, place_of
from viz.words import columns, printable, shortened

_WIDTH = 98  # of the whole table, in columns
_BAR = 20  # columns of the longest bar
_NARROWEST = 12  # columns that every name gets, however deep it is
_EIGHTHS = " ▏▎▍▌▋▊▉"
_HEAD = ("share", "", "|gradient|", "rms", "parameters")


@dataclass
class _Row:
    """A module's parameters, or a leaf: the norm of their gradient, their number of elements, and the rows below.

    `saved` is the number of bytes kept in it for the backward pass.
    """

    norm: float = 0.0
    size: int = 0
    saved: int = 0
    inner: dict[tuple[str, ...], _Row] = field(default_factory=dict)


def tree(loss: float, parameters: Sequence[Parameter], memory: Sequence[Kept], depth: int) -> str:
    """Modules down to `depth`, in the order of first use, with share, bar, norm, root mean square and parameters.

    And the bytes kept for the backward pass, if any are known.
    """
    check_depth("text", depth)
    everything = _sums(parameters, memory, depth)
    head = (*_HEAD, "kept") if memory else _HEAD
    largest = max((row.norm for row in everything.inner.values()), default=0.0)
    lines: list[tuple[str, ...]] = [("", "stage", *head)]
    for branch, name, row in _walk(everything):
        lines.append((branch, name, *_cells(row, everything.norm, _bar(_part(row.norm, largest)))))
    lines.append(("", "all", *_cells(everything, everything.norm, f"loss {short(loss, 6)}")))
    return _aligned([line[: 2 + len(head)] for line in lines])


def trouble(first: Node) -> str:
    """The line about the node whose gradient is the first that is not finite."""
    at = "in" if first.op in ("module", "other") else "in the gradient of"
    return printable(f"{first_trouble(first)}: {at} {place_of(first)}")


def _part(norm: float, whole: float) -> float:
    """The square of `norm` as a fraction of the square of `whole`; nan if `whole` is zero or not finite."""
    return (norm / whole) ** 2 if 0 < whole < math.inf else math.nan


def _sums(parameters: Sequence[Parameter], memory: Sequence[Kept], depth: int) -> _Row:
    """The root of the tree. Rows have the last part of their path as key; leaves and "(its own)" have a pair."""
    parts = [part for part in _in_order(parameters, memory) if isinstance(part, Parameter) or part.saved]
    holders = {part.scope[:k] for part in parts for k in range(1, min(len(part.scope), depth))}
    root = _Row()
    for part in parts:
        path: list[tuple[str, ...]] = [(name,) for name in part.scope[:depth]]
        if not path:
            path = [((isinstance(part, Parameter) and part.name) or "(no module)", "leaf")]
        elif part.scope in holders:
            path.append(("(its own)", "leaf"))
        rows = [root]
        for key in path:
            rows.append(rows[-1].inner.setdefault(key, _Row()))
        for row in rows:
            if isinstance(part, Kept):
                row.saved += part.saved
            else:
                row.norm = math.hypot(row.norm, part.norm)
                row.size += part.size
    return root


def _in_order(parameters: Sequence[Parameter], memory: Sequence[Kept]) -> Iterator[Parameter | Kept]:
    """Both in one order of first use; each is in its own."""
    place = {kept.scope: number for number, kept in enumerate(memory, 1)}
    done = 0
    for parameter in parameters:
        now = max(place.get(parameter.scope, 0) if parameter.scope else 0, done)
        yield from memory[done:now]
        done = now
        yield parameter
    yield from memory[done:]


def _walk(row: _Row, before: str = "", outermost: bool = True) -> Iterator[tuple[str, str, _Row]]:
    """Branch, name and row of everything below a row, from top to bottom."""
    for place, (key, inner) in enumerate(row.inner.items(), 1):
        last = place == len(row.inner)
        branch, below = ("", "") if outermost else ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield before + branch, key[0] or "(no name)", inner
        yield from _walk(inner, before + below, outermost=False)


def _cells(row: _Row, total: float, bar: str) -> tuple[str, ...]:
    share = _part(row.norm, total)
    rms = row.norm / math.sqrt(row.size) if row.size else 0.0
    sizes = (percent(share), bar, short(row.norm, 3), short(rms, 3)) if row.size else ("", "", "", "")
    return *sizes, f"{row.size:,}", bytes_of(row.saved)


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
