"""Blame by stage as a table with bars, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from viz.stages import Stage

_WIDTH = 32  # of the longest bar
_EIGHTHS = " ▏▎▍▌▋▊▉"


def table(loss: float, stages: Sequence[Stage]) -> str:
    """One line per stage: its share, a bar, the norm of its gradient and its number of parameters."""
    width = max([len(stage.name) for stage in stages] + [len("stage")])
    largest = max((stage.share for stage in stages), default=0.0)
    lines = [f"{'stage':<{width}}  {'share':>7}  {'':<{_WIDTH}}  {'|gradient|':>10}  {'parameters':>10}"]
    lines += [
        f"{printable(stage.name):<{width}}  {stage.share:>7.2%}  {_bar(stage.share, largest):<{_WIDTH}}  "
        f"{stage.norm:>10.3g}  {stage.parameters:>10,}"
        for stage in stages
    ]
    total, size = sum(stage.share for stage in stages), sum(stage.parameters for stage in stages)
    lines.append(f"{'all':<{width}}  {total:>7.2%}  {f'loss {loss:.6g}':<{_WIDTH}}  {'':>10}  {size:>10,}")
    return "\n".join(lines)


def printable(name: str) -> str:
    """The name with control characters shown, not obeyed."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def _bar(share: float, largest: float) -> str:
    if not share > 0:  # also nan
        return ""
    eighths = max(round(share / largest * _WIDTH * 8), 1)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
