"""Figures: the words and numbers that stand for a node or an edge, the same in every picture and on every page.

They are written here only. A picture puts them into Graphviz's labels and tooltips, a page carries them as data;
neither rounds a number nor chooses a word. Names from outside are unchanged; the code that shows one makes it
printable.

Read next: `viz/strokes.py`, the lines of edges.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence

from viz.colors import INK, PALE, LogScale
from viz.data import Edge, Node, Numbers
from viz.digits import percent, short
from viz.words import shortened

SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "/", "matmul": "@", "pow": "**"}
SYMBOLS |= {"add_any": "+", "sub": "−", "mul": "×", "div": "/", "dot_general": "@"}  # the same by their names in JAX
LONGEST_NAME = 30  # columns, in a box; tooltips and panels show all of it
_LONGEST_NUMBERS = 26  # columns
_MOST_NUMBERS = 4
_NEARLY_ZERO = 1e-6  # of the largest gradient: rounding errors of gradients that are zero

FILL = "fill: root mean square of the gradient dL/dx"
ZERO = "white: a gradient of zero"
NOT_FINITE = "double frame: a gradient with nan or infinite numbers"


def symbol(node: Node) -> str:
    """The op as it is written in formulas."""
    return SYMBOLS.get(node.op, node.op)


def heading(node: Node, title: str, remark: str = "") -> tuple[str, str]:
    """The first line of a box: a name from outside, and the text after it, which ends in `remark`."""
    if node.op == "other":
        return "", f"other: {node.count:,} values" if node.count else "other"
    if node.op in ("leaf", "module"):
        return title or "(no name)", remark
    return (title, f" ({symbol(node)}){remark}") if title else (symbol(node), remark)


def loss_heading(node: Node, loss: float) -> tuple[str, str]:
    """The first line of the box of the loss, in the same two parts."""
    if node.name and node.name != "loss":
        return f"loss {node.name}", f" = {short(loss)}"
    return "loss", f" {short(loss)}"


def loss_line(node: Node) -> str:
    """The second line of the box of the loss: its op, and what is known of its gradient."""
    known = sizes(node, value=False)
    return known if node.op == "leaf" else f"{symbol(node)} · {known}"


def is_sign(node: Node) -> bool:
    """Whether the op's symbol is enough to show, as where residuals are added between boxes."""
    return node.op in SYMBOLS and not node.name and math.isfinite(node.rms) and not _few(node.gradient, node.shape)


def sizes(node: Node, *, value: bool = True) -> str:
    """The numbers of a box: all, where they are few; else its shape and the size of its gradient."""
    gradient = _few(node.gradient, node.shape)
    if gradient:
        known = _few(node.value, node.shape) if value else ""
        return f"{known} | grad {gradient}" if known else f"grad {gradient}"
    shape = "" if node.op in ("module", "other") else shortened("×".join(map(str, node.shape)), _LONGEST_NUMBERS)
    return " · ".join(part for part in (shape, size_of(node.rms)) if part)


def size_of(rms: float) -> str:
    """The size of a gradient in words."""
    if math.isfinite(rms):
        return f"rms {short(rms, 3)}"
    return "gradient nan" if math.isnan(rms) else "gradient infinite"


def of_the_blame(share: str) -> str:
    """A node's share of the blame; empty where it has none."""
    return share and f"{share} of the blame"


def from_inside(share: str, node: Node) -> str:
    """The share in a node's gradient that comes from itself; empty where there is none."""
    return share and f"{share} {f'among these {node.count:,}' if node.count > 1 else 'from inside'}"


def from_other(share: str) -> str:
    """The share in a node's gradient that comes from "other", where no arrow shows it; empty where there is none."""
    return share and f"{share} from other"


def contributions(count: int) -> str:
    """How many contributions there are."""
    return f"{count:,} contribution{'' if count == 1 else 's'}"


def at_edge(share: str, edge: Edge) -> str:
    """A share, and the contribution in brackets if it is one number; empty if the gradient comes by this edge alone."""
    scalar = f"({short(edge.each[0])})" if edge.each and len(edge.each) == 1 and edge.norm else ""
    if not share and not math.isnan(edge.share):
        return ""
    return f"{share} {scalar}".strip()


def norm_of(edge: Edge) -> str:
    """The size of a contribution in words."""
    return f"norm {short(edge.norm)}"


def path_of(node: Node) -> str:
    """The path of a node: its modules and its name."""
    return ".".join(node.scope) if node.op == "module" else ".".join((*node.scope, node.name or node.op))


def facts(node: Node) -> Iterator[tuple[str, str]]:
    """All that is known of a node but its path and its formula: names and texts."""
    yield "op", node.op
    if node.op != "other":
        yield "shape", f"{node.shape} {node.dtype}"
    if node.count > 1:
        yield "stands for", f"{node.count:,}"
    if node.value:
        yield "value", summary(node.value, node.shape)
    if node.gradient:
        yield "gradient", summary(node.gradient, node.shape)
    yield "size of the gradient" if node.gradient else "gradient", f"norm {short(node.norm)}, rms {short(node.rms)}"
    if node.hooked:
        yield "hook", "sees this gradient, and may change what goes on"
    if node.parameters:
        many = f"{node.parameters:,} parameter{'' if node.parameters == 1 else 's'}"
        yield "blame", f"{blame_of(node)}, in {many}"


def share_of(edge: Edge, target: Node) -> str:
    """The share of an edge in the gradient of its target, in words where it has none."""
    if not math.isnan(edge.share):
        return f"{percent(edge.share)} of the gradient of {target.label}"
    return f"none, {_without_shares(target)}"


def _without_shares(node: Node) -> str:
    """Why nothing has a share in the gradient of this node."""
    return "the gradient is zero" if node.norm == 0 else "the gradient has nan or infinite numbers"


def share_so_far(share: float, node: Node) -> str:
    """The share of the contributions so far in the gradient of this node."""
    return _without_shares(node) if math.isnan(share) else f"{percent(share)} of its gradient"


def blame_of(node: Node) -> str:
    """The share of a node with parameters in the blame."""
    return "no share" if math.isnan(node.blame) else percent(node.blame)


def edge_facts(edge: Edge, target: Node) -> Iterator[tuple[str, str]]:
    """All that is known of an edge but its source: names and texts."""
    yield "contribution", norm_of(edge)
    yield "share", share_of(edge, target)
    if edge.rule:
        yield "rule", edge.rule
    if edge.local:
        yield "local derivative", edge.local


def summary(numbers: Numbers, shape: Sequence[int]) -> str:
    """The numbers of a small array, the distribution of a large one."""
    if numbers.each is not None:
        return listed(numbers.each, shape)
    mean, std, least, greatest = map(short, (numbers.mean, numbers.std, numbers.least, numbers.greatest))
    return f"mean {mean}, deviation {std}, from {least} to {greatest}"


def listed(each: Sequence[float], shape: Sequence[int]) -> str:
    """The numbers of an array in brackets, as it is nested."""
    if not each:
        return "[]"
    texts = [short(value) for value in each]
    for side in reversed(shape if len(texts) > 1 else ()):
        texts = [f"[{', '.join(texts[k : k + side])}]" for k in range(0, len(texts), side)]
    return texts[0]


def _few(numbers: Numbers | None, shape: Sequence[int]) -> str:
    """The numbers of an array where they fit into a box; else empty."""
    if numbers is None or not numbers.each or len(numbers.each) > _MOST_NUMBERS:
        return ""
    text = listed(numbers.each, shape)
    return text if len(text) <= _LONGEST_NUMBERS else ""


def noise(sizes: Iterable[float]) -> float:
    """The size below which a gradient is a rounding error, among gradients of these sizes."""
    return _NEARLY_ZERO * max((size for size in sizes if math.isfinite(size)), default=0.0)


def fill_scale(sizes: Sequence[float]) -> LogScale:
    """The scale of colours for these sizes; rounding errors do not count, they would make all others look alike."""
    least = noise(sizes)
    return LogScale.of(size for size in sizes if size >= least)


def fill(node: Node, scale: LogScale, is_loss: bool) -> tuple[str, str]:
    """The colours of a box and of the text in it. The loss and what was pruned have no place on the scale."""
    if is_loss or node.op == "other":
        return PALE, INK
    return scale.color(node.rms), scale.ink(node.rms)


def width_legend(largest: float) -> str:
    """The legend's line for the widths of edges."""
    return f"width: root of the contribution's norm, widest {short(largest, 3)}"


def text_legend(nodes: Collection[Node], losses: Collection[str], labels: Collection[str]) -> Iterator[str]:
    """The legend's lines for the texts in boxes and for the labels of edges; `losses` are ids of nodes."""
    if any("|" in sizes(node) for node in nodes if node.id not in losses):
        yield "in a box: value | gradient dL/dx"
    if any(node.op == "leaf" for node in nodes):
        yield "square, bold frame: a leaf, computed from nothing"
    if any(node.parameters for node in nodes):
        yield '"of the blame": share in the squared gradients of all leaves'
    if any("%" in label for label in labels):
        yield "percent at an edge: share in the gradient it flows into"
    if any("(" in label for label in labels):
        yield "in brackets at an edge: its contribution"
