"""The flow of blame, drawn: trace a loss, fold it, look at it."""

from viz.data import Edge, Node, Numbers, Parameter
from viz.flow import BlameFlow
from viz.layout import NoGraphviz
from viz.stages import Stage
from viz.trace import NothingToTrace, trace

__all__ = ["BlameFlow", "Edge", "NoGraphviz", "Node", "NothingToTrace", "Numbers", "Parameter", "Stage", "trace"]
