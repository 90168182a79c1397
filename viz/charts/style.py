"""The style of all charts: what their classes look like on light and on dark paper.

Print is always on light paper.

Read next: `viz/charts/sheet.py`, charts as a file.
"""

from __future__ import annotations

from importlib.resources import files

from viz.charts.scale import LEVELS
from viz.colors import ADDS, CANCELS, INK, PAPER, LogScale

_SCALE = LogScale(1.0, 10.0)
_SIZES = [10.0 ** (k / (LEVELS - 1)) for k in range(LEVELS)]
_NAMED = {"INK": INK, "PAPER": PAPER, "ADDS": ADDS, "CANCELS": CANCELS}


def _levels(sizes: list[float]) -> str:
    """The colour of each step of a scale, and the colour of text on it."""
    return "\n".join(
        f".chart .l{k} {{ fill: {_SCALE.color(size)}; }} .chart .on-l{k} {{ fill: {_SCALE.ink(size)}; }}"
        for k, size in enumerate(sizes)
    )


def _style() -> str:
    style = files("viz.charts").joinpath("charts.css").read_text(encoding="utf-8")
    for name, color in _NAMED.items():
        style = style.replace(name, color)
    dark = _levels(_SIZES[::-1])
    return f"{style}\n{_levels(_SIZES)}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


STYLE = _style()
