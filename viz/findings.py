"""findings: what is wrong with the gradients of a flow, in sentences with numbers.

Every finding compares gradients with one another or with a limit that is a constant here, with its reason. The limits
leave room: in transformers, plain and residual networks of 2 to 24 layers, with the usual initialisations, the largest
change of the gradient between two layers was measured to be a factor of 180.

Read next: `viz/checks.py`, the checks of arguments.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from viz.data import Absent, Edge, Node
from viz.depth import Change, largest_fall, largest_rise
from viz.digits import percent, short
from viz.figures import counted, place_of, size_of
from viz.trouble import first_nan_value, first_nonfinite, sender

# Between two layers: at one learning rate, one of them learns a thousand times as fast as the other.
MOST_CHANGE = 1e3
# Of the elements of a gradient, through an activation: about half pass a relu at first, a few per cent when trained.
LEAST_PASSING = 0.01
# From which on a fraction says something: of fewer, none may pass by chance.
FEWEST_ELEMENTS = 64
# Root mean square: Adam adds 1e-8 to the size of the gradient that it divides by, so below this its steps get smaller.
SMALLEST = 1e-8
# The same in float16, where smaller numbers lose digits.
SMALLEST_HALF = 6.1e-5
# Root mean square: even at a learning rate of 1e-4, every step would change each element by 1.
LARGEST = 1e4
_MOST_NAMED = 3

ACTIVATIONS = frozenset(
    "relu relu6 leaky_relu elu selu celu gelu silu hardtanh hardswish hardsigmoid threshold clip clamp clamp_min "
    "clamp_max maximum minimum max min where select_n sigmoid logistic log_sigmoid softplus tanh softsign erf".split()
)


@dataclass(frozen=True)
class Finding:
    """Something wrong.

    Fields:
        kind: "not finite", "vanishing", "exploding", "dead", "detached", "frozen", "scale" or "no gradient".
        text: a sentence with the numbers, and with lines of source where they are known.
        numbers: the numbers, by name.
        nodes: the ids of the nodes that it is about.
    """

    kind: str
    text: str
    numbers: Mapping[str, float] = field(default_factory=dict, hash=False)
    nodes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def diagnose(loss: float, nodes: Sequence[Node], edges: Sequence[Edge], absent: Sequence[Absent]) -> list[Finding]:
    """All findings, for a flow that is neither folded nor pruned.

    Raises ValueError for one that is: what happens inside a box cannot be seen.
    """
    if any(node.op in ("module", "other") for node in nodes):
        raise ValueError("diagnose: this flow is folded or pruned; diagnose the flow it was made from")
    rise = list(_change("exploding", largest_rise(nodes, edges)))
    return [
        *_not_finite(loss, nodes, edges),
        *_change("vanishing", largest_fall(nodes, edges)),
        *rise,
        *_dead(nodes, edges),
        *_scale([node for node in nodes if node.parameters], rises=bool(rise)),
        *_absent("detached", [one for one in absent if not one.frozen]),
        *_absent("frozen", [one for one in absent if one.frozen]),
    ]


def _not_finite(loss: float, nodes: Sequence[Node], edges: Sequence[Edge]) -> Iterator[Finding]:
    if not math.isfinite(loss):
        oldest = first_nan_value(nodes)
        made = f"; the oldest value known to hold a nan is {place_of(oldest)}" if oldest else ""
        ids = [oldest.id] if oldest else []
        yield Finding("not finite", f"the loss is {short(loss)}{made}", {"loss": loss}, tuple(ids))
    first = first_nonfinite(nodes)
    if first is None:
        return
    sent = sender(first, nodes, edges)
    cause, ids = "the sum of its contributions", [first.id]
    if sent is not None:
        source, edge = sent
        cause = place_of(source) + (f", by the rule {edge.rule}" if edge.rule else "")
        ids.append(source.id)
    text = f"{size_of(first.rms)}, first, going backward, at {place_of(first)}; it comes from {cause}"
    yield Finding("not finite", text, {"norm": first.norm}, tuple(ids))


def _change(kind: str, change: Change | None) -> Iterator[Finding]:
    if change is None:
        return
    falls = kind == "vanishing"
    factor = 1 / change.ratio if falls else change.ratio
    if factor < MOST_CHANGE:
        return
    first, last = change.layers[0], change.layers[-1]
    ratio, worst = (min if falls else max)(change.steps, key=lambda step: step[0])
    count = len(change.layers) - 1
    text = (
        f"the gradient {'falls' if falls else 'rises'} by a factor of {short(factor, 3)} over "
        f"{counted(count, 'layer')}, from norm {short(first.norm, 3)} at {place_of(first)} "
        f"to {short(last.norm, 3)} at {place_of(last)}"
    )
    if count > 1:
        text += f", ×{short(change.rate, 3)} a layer, most on the way to {place_of(worst)} (×{short(ratio, 3)})"
    numbers = {"factor": factor, "layers": count, "rate": change.rate, "worst": ratio}
    yield Finding(kind, text, numbers, tuple(node.id for node in change.layers))


def _dead(nodes: Sequence[Node], edges: Sequence[Edge]) -> Iterator[Finding]:
    """Activations through which next to nothing passes.

    One whose argument is used elsewhere too is left out: the gradient of the argument is not what this one sent.
    """
    by_id = {node.id: node for node in nodes}
    arriving = Counter(edge.target for edge in edges)
    for edge in edges:
        node, argument = by_id[edge.source], by_id[edge.target]
        if node.op not in ACTIVATIONS or arriving[argument.id] > 1 or node.shape != argument.shape:
            continue
        given, left = _nonzero(node), _nonzero(argument)
        if given >= FEWEST_ELEMENTS and left <= LEAST_PASSING * given:
            yield Finding(
                "dead",
                f"{place_of(node)} lets {percent(left / given)} of its gradient pass: of {counted(given, 'element')} "
                f"that are not zero, {left:,} go on",
                {"arriving": given, "passing": left},
                (node.id, argument.id),
            )


def _nonzero(node: Node) -> int:
    """The number of elements of a gradient that are not zero; 0 if that is not known."""
    zeros = math.nan if node.gradient is None else node.gradient.zeros
    return 0 if math.isnan(zeros) else round((1 - zeros) * math.prod(node.shape))


def _scale(leaves: Sequence[Node], rises: bool) -> Iterator[Finding]:
    """Gradients that are all too small or all too large: it is the loss that has the wrong size.

    Where gradients explode (`rises`), the loss is large for the same reason.
    """
    sizes = {leaf.rms: leaf for leaf in leaves}
    if not sizes or not all(map(math.isfinite, sizes)):
        return
    if not any(sizes):
        every = counted(len(leaves), "leaf", "leaves")
        yield Finding("no gradient", f"every gradient is exactly zero ({every})", {"leaves": len(leaves)})
        return
    half = all(leaf.dtype.rpartition(".")[2] == "float16" for leaf in leaves)
    least, most = min(size for size in sizes if size), max(sizes)
    smallest = SMALLEST_HALF if half else SMALLEST
    if most < smallest:
        yield _wrong_scale("below", smallest, "largest", most, sizes[most])
    if least > LARGEST and not rises:
        yield _wrong_scale("above", LARGEST, "smallest", least, sizes[least])


def _wrong_scale(side: str, limit: float, which: str, rms: float, leaf: Node) -> Finding:
    better = short(10.0 ** -round(math.log10(rms)))
    text = (
        f"the loss has the wrong size: the gradient of every leaf has a root mean square {side} {short(limit)}, the "
        f"{which} {short(rms, 3)} at {place_of(leaf)}; multiply the loss by about {better}"
    )
    return Finding("scale", text, {which: rms, "limit": limit}, (leaf.id,))


def _absent(kind: str, absent: Sequence[Absent]) -> Iterator[Finding]:
    if not absent:
        return
    names = [one.name for one in absent]
    named = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED:,} more" * (len(names) > _MOST_NAMED))
    size = sum(one.size for one in absent)
    why = (
        "require no gradient, so no step changes them"
        if kind == "frozen"
        else "require a gradient, and the loss was not computed from them: not used, or detached on the way"
    )
    yield Finding(kind, f"{named} ({counted(size, 'element')}) {why}", {"tensors": len(names), "elements": size})
