"""The flow of blame, drawn: trace a loss, fold it, look at it.

Read next: `viz/flow.py`, the object that users work with.
"""

from viz.checks import NothingToTrace
from viz.compare import Comparison, compare
from viz.data import Absent, Edge, Kept, Line, Node, Numbers, Parameter
from viz.drawing.layout import NoGraphviz
from viz.findings import Finding
from viz.flow import BlameFlow
from viz.scopes import scopes
from viz.stages import Stage
from viz.trace import trace

__all__ = [
    "Absent",
    "BlameFlow",
    "Comparison",
    "Edge",
    "Finding",
    "Kept",
    "Line",
    "NoGraphviz",
    "Node",
    "NothingToTrace",
    "Numbers",
    "Parameter",
    "Stage",
    "compare",
    "scopes",
    "trace",
]
