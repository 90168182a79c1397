"""Charts for pages: small pure functions from data to SVG text.

The invariant: a chart is well-formed, has no ids (so any number can stand on one page), no style attributes and no
scripts, and text from outside is only ever text. Colours are classes that `STYLE` gives a value, on light and on
dark paper. What cannot be drawn (a nan, an infinity, nothing at all) is said in the chart.

Read next: `viz/charts/marks.py`, then any chart, for instance `viz/charts/bars.py`.
"""

from viz.charts.bars import Bar, bars
from viz.charts.heatmap import Ticks, heatmap
from viz.charts.line import Series, line
from viz.charts.marks import short
from viz.charts.plane import plane
from viz.charts.scale import LinearScale, legend
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
    "short",
    "strip",
]
