"""viewer: a flow as one HTML file whose modules open and close, and whose sweep can be walked through step by step.

Python says what there is: values, calls of modules, contributions, colours. The program in `js/` decides what of it is
visible, where it stands, and what is pointed at. Between closed boxes it adds up <c, dL/dx> of the contributions it
merges, and divides by the sum of |dL/dx|^2 over the doors, as `viz/fold.py` does; so shares add up whatever is open.

Read next: `viz/page/calls.py`, then the files of `js/` in the order of PROGRAM.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from viz.colors import ADDS, CANCELS, LogScale
from viz.data import Edge, Node, Numbers
from viz.digits import short
from viz.page.calls import Call, tree_of_calls
from viz.page.shell import asset, page
from viz.words import printable

PROGRAM = (  # in the order in which to read it
    "model",
    "sizes",
    "links",
    "layers",
    "places",
    "layout",
    "routes",
    "bands",
    "draw",
    "camera",
    "legend",
    "panel",
    "steps",
    "find",
    "main",
    "events",
)
_DECADES = 6  # of the colour scale, at most: one gradient that is nearly zero must not make all others look alike


def source(loss: float, nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """The HTML of one flow."""
    colours = f":root {{ --adds: {ADDS}; --cancels: {CANCELS}; }}"
    return page(
        f"Blame for a loss of {short(loss)}",
        asset("viewer.html"),
        styles=[colours, asset("viewer.css")],
        scripts=[_program()],
        data=_data(loss, nodes, edges),
    )


def _program() -> str:
    """One script of all files, in a block of its own so that their names stay theirs."""
    files = "\n".join(asset(f"js/{name}.js") for name in PROGRAM)
    return f'"use strict";\n{{\n{files}}}\n'


def _data(loss: float, nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, Any]:
    """Values, calls and contributions in the order of the sweep, which refer to one another by place."""
    if nodes[0].op != "module":
        nodes = [replace(nodes[0], name=f"loss {short(loss)}"), *nodes[1:]]
    calls, home = tree_of_calls(nodes, edges)
    scale = _scale([*nodes, *calls])
    place = {node.id: number for number, node in enumerate(nodes)}
    return {
        "loss": _told(loss),
        "scale": [[_power(tick), scale.color(tick), scale.ink(tick)] for tick in scale.ticks()],
        "values": [_value(node, home[node.id], scale) for node in nodes],
        "calls": [_call(call, scale) for call in calls],
        "edges": [_edge(edge, place) for edge in edges],
    }


def _scale(things: Sequence[Node | Call]) -> LogScale:
    scale = LogScale.of(thing.rms for thing in things)
    return LogScale(max(scale.low, scale.high / 10.0**_DECADES), scale.high)


def _value(node: Node, home: int | None, scale: LogScale) -> dict[str, Any]:
    return _known(
        id=node.id,
        op=printable(node.op),
        label=printable(node.label),
        path=[printable(name) for name in node.scope],
        home=home,
        shape=list(node.shape),
        dtype=node.dtype,
        **_sizes(node, scale),
        count=node.count if node.count > 1 else None,
        hooked=node.hooked or None,
        formula=printable(node.formula),
        value=_numbers(node.value),
        gradient=_numbers(node.gradient),
    )


def _call(call: Call, scale: LogScale) -> dict[str, Any]:
    return _known(
        label=printable(call.path[-1]),
        path=[printable(name) for name in call.path],
        home=call.parent,
        shape=list(call.result.shape),
        dtype=call.result.dtype,
        **_sizes(call, scale),
        holds=call.values,
    )


def _sizes(thing: Node | Call, scale: LogScale) -> dict[str, Any]:
    """What is told of a value and of a call alike."""
    return {
        "norm": _short(thing.norm),
        "rms": _short(thing.rms),
        "fill": scale.color(thing.rms),
        "ink": scale.ink(thing.rms),
        "parameters": thing.parameters,
        "blame": _short(thing.blame),
    }


def _edge(edge: Edge, place: dict[str, int]) -> dict[str, Any]:
    return _known(
        source=place[edge.source],
        target=place[edge.target],
        norm=_short(edge.norm),
        share=edge.share if edge.share == edge.share else None,
        argument=edge.argument,
        rule=printable(edge.rule),
        local=printable(edge.local),
        gathered=_short(edge.gathered),
        each=None if edge.each is None else [_told(number) for number in edge.each],
    )


def _numbers(numbers: Numbers | None) -> dict[str, Any] | None:
    if numbers is None:
        return None
    known = {name: _told(getattr(numbers, name)) for name in ("mean", "std", "least", "greatest")}
    return known if numbers.each is None else {**known, "each": [_told(number) for number in numbers.each]}


def _known(**fields: Any) -> dict[str, Any]:
    """The fields that say something: a page of a thousand values should not carry its empty ones."""
    return {name: value for name, value in fields.items() if value is not None and value != "" and value == value}


def _power(tick: float) -> str:
    """A power of ten, such as 1e-3."""
    return f"1e{round(math.log10(tick))}"


def _told(number: float) -> float | str:
    """A number to be shown; what JSON does not know as the text that JavaScript reads it from."""
    if math.isfinite(number):
        return _short(number)
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _short(number: float) -> float:
    """Nine digits: more than a page shows, and enough for its sums."""
    return float(f"{number:.9g}")
