"""Charts for pages: small pure functions from data to SVG text.

The invariant: a chart is well-formed SVG without ids (so a page can hold any number of them), style attributes and
scripts; text from outside is always escaped. Colours are classes, to which `STYLE` gives values for light and for dark
paper. A chart says how many values it could not draw because they are nan or infinite, or that there are none.

Read next: `viz/charts/marks.py`, the elements of a chart.
"""

from viz.charts.bars import Bar, bars
from viz.charts.heatmap import Ticks, heatmap
from viz.charts.line import Series, line
from viz.charts.marks import short
from viz.charts.plane import plane
from viz.charts.scale import LinearScale, legend
from viz.charts.sheet import sheet
from viz.charts.strip import strip
from viz.charts.style import STYLE

__all__ = [
    "STYLE",
    "Bar",
    "LinearScale",
    "Series",
    "Ticks",
    "bars",
    "heatmap",
    "legend",
    "line",
    "plane",
    "sheet",
    "short",
    "strip",
]
