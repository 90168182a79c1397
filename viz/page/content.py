"""content: what a page shows, as data: things (values and calls of modules), edges, steps and the legend.

Every text is complete, its numbers rounded and its names printable. What depends on what is open is prepared for all
cases: edges between any two things, and shares in two forms, in whole percents and with one decimal. Which form a group
of shares has depends on which edges are visible; the page chooses as `viz/digits.py` does. Colours and widths are on
one scale for all that can be opened, so a box and an edge look the same whatever else is open.

Read next: `viz/page/calls.py`, the calls of modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from viz import figures
from viz.data import Edge, Node
from viz.digits import percent, short
from viz.page.calls import tree_of_calls
from viz.page.edges import Joined, all_edges
from viz.page.legend import legend
from viz.page.steps import steps
from viz.page.things import Drawn, known, share
from viz.strokes import largest_norm, stroke, width
from viz.words import printable


def content(loss: float, nodes: Sequence[Node], edges: Sequence[Edge], unknown_value: str) -> dict[str, Any]:
    """All data of a page. Things, edges and steps refer to one another by number; calls are numbered after values."""
    calls, home = tree_of_calls(nodes, edges)
    every = [*nodes, *(call.box for call in calls)]
    losses = {0, *(len(nodes) + at for at, call in enumerate(calls) if call.inside[0] is nodes[0])}
    joined = all_edges(nodes, edges, calls, home, every)
    largest = largest_norm(one.edge for one in joined if one.source != one.target)
    fills = [node.rms for number, node in enumerate(every) if number not in losses and node.op != "other"]
    scale = figures.fill_scale(fills)
    folded = any(node.op == "module" for node in every)
    drawn = Drawn(loss, folded, losses, scale, every, edges, unknown_value)
    values = [drawn.value(number, calls, home[node.id]) for number, node in enumerate(nodes)]
    return {
        "summary": f"loss {short(loss)} · {_counts(nodes, edges)}",
        "values": values,
        "calls": [drawn.call(len(nodes) + at, call) for at, call in enumerate(calls)],
        "edges": [_edge(one, largest, every[one.target]) for one in joined],
        "steps": list(steps(nodes, edges, {node.id: value["label"] for node, value in zip(nodes, values)})),
        "legend": legend(every, nodes[0].id, fills, joined, scale, largest, opens=bool(calls)),
    }


def _counts(nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """How much there is; in a flow that was folded or pruned before, values have become boxes."""
    is_view = any(node.op in ("module", "other") for node in nodes)
    thing = ("box", "boxes") if is_view else ("value", "values")
    ways = f"{len(edges):,} edge{'' if len(edges) == 1 else 's'}" if is_view else figures.contributions(len(edges))
    return f"{len(nodes):,} {thing[len(nodes) != 1]}, {ways}"


def _edge(one: Joined, largest: float, target: Node) -> dict[str, Any]:
    """An edge; of what a thing receives from itself, the label is a part of its box's text."""
    edge, is_inside = one.edge, one.source == one.target
    return known(
        source=one.source,
        target=one.target,
        steps=one.steps,
        norm=float(f"{edge.norm:.6g}"),
        share=float(f"{edge.share:.6g}"),
        label=share(
            edge.share,
            lambda text: figures.from_inside(text, target) if is_inside else figures.at_edge(text, edge),
        ),
        alone=figures.at_edge("", edge),
        kind=stroke(edge).name,
        style=stroke(edge).style,
        width=None if is_inside else round(width(edge, largest), 2),
        size=figures.norm_of(edge),
        exact=percent(edge.share),
        told=printable(figures.share_of(edge, target)),
        count=figures.contributions(len(one.steps)),
    )
