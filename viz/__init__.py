"""The flow of blame, drawn: trace a loss, fold it, look at it.

Read next: `viz/flow.py`, the object that users work with.
"""

from viz.compare import Comparison, compare
from viz.data import Edge, Node, Numbers, Parameter
from viz.drawing.layout import NoGraphviz
from viz.flow import BlameFlow
from viz.stages import Stage
from viz.trace import NothingToTrace, trace

__all__ = [
    "BlameFlow",
    "Comparison",
    "Edge",
    "NoGraphviz",
    "Node",
    "NothingToTrace",
    "Numbers",
    "Parameter",
    "Stage",
    "compare",
    "trace",
]
