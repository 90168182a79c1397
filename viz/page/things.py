"""things: the texts and colours of a value or a closed call, in its box and in the panel.

Read next: `viz/page/steps.py`, the sweep in words and numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from viz import figures
from viz.colors import LogScale
from viz.data import Edge, Node
from viz.digits import forms, short
from viz.page.calls import Call
from viz.words import printable, shortened

Share = tuple[str, str, int | None]  # both texts and the number of whole percents, as in `digits.forms`


def share(part: float, say: Callable[[str], str]) -> Share:
    """Both forms of a share, in the words of `say`."""
    whole, tenths, number = forms(part)
    return printable(say(whole)), printable(say(tenths)), number


def printable_facts(facts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names and texts, the texts printable."""
    return [(name, printable(text)) for name, text in facts]


def known(**fields: Any) -> dict[str, Any]:
    """The fields that are not empty: a page of a thousand values should not carry the others."""
    return {name: value for name, value in fields.items() if value is not None and value != "" and value == value}


@dataclass(frozen=True)
class Drawn:
    """How things are drawn.

    Fields:
        loss: the value of the loss.
        folded: whether there are modules, so that ops beside them are drawn small.
        losses: the numbers of the value that is the loss, and of the calls that hold it.
        scale: of the colours.
        things: the nodes, and then the boxes of the calls.
        edges: of the flow.
        unknown_value: what to say of a value that is not known; empty to say nothing.
    """

    loss: float
    folded: bool
    losses: Collection[int]
    scale: LogScale
    things: Sequence[Node]
    edges: Sequence[Edge]
    unknown_value: str

    def value(self, number: int, calls: Sequence[Call], home: int | None) -> dict[str, Any]:
        """The data of a value; `home` is the call that it is drawn in."""
        node = self.things[number]
        around = () if home is None else calls[home].path
        is_loss = number in self.losses and node.op != "module"
        label = "".join(figures.loss_heading(node, self.loss)) if is_loss else node.label
        path = node.scope if node.op == "module" else (*node.scope, label)
        facts = list(figures.facts(node))
        if self.unknown_value and node.value is None and node.op not in ("module", "other"):
            facts.insert(2, ("value", self.unknown_value))
        return known(
            home=home,
            **self._common(number, label, path, around),
            spoken=_spoken(path, node.op, node),
            facts=printable_facts(facts),
            formula=printable(node.formula),
        )

    def call(self, number: int, call: Call) -> dict[str, Any]:
        """The data of a call of a module."""
        box, path = self.things[number], call.path
        holds = f"module with {len(call.inside):,} values"
        return known(
            home=call.parent,
            **self._common(number, path[-1], path, path[:-1]),
            spoken=_spoken(path, holds, box),
            facts=printable_facts([("op", holds), *list(figures.facts(box))[1:]]),
        )

    def _common(self, number: int, label: str, path: Sequence[str], around: Sequence[str]) -> dict[str, Any]:
        """The fields of both kinds of things; `around` is the path of the call that the thing is drawn in."""
        node, is_loss = self.things[number], number in self.losses
        title = (
            ".".join(path[len(around) :]) if node.op == "leaf" else label if node.op == "module" else node.name or ""
        )
        times = f" ×{node.count:,}" if node.count > 1 else ""
        name, rest = figures.heading(node, title, times)
        if is_loss and node.op != "module":
            name, rest = figures.loss_heading(node, self.loss)
        fill, ink = figures.fill(node, self.scale, is_loss)
        return {
            "id": node.id,
            "label": printable(label),
            "path": printable(".".join(path)),
            "op": printable(node.op),
            "head": shortened(printable(name), figures.LONGEST_NAME) + printable(rest),
            "small": " · ".join(filter(None, (self._small(node, is_loss), figures.first_trouble(node)))),
            "blame": share(node.blame, figures.of_the_blame) if node.parameters else None,
            "fill": fill,
            "ink": ink,
            "sign": self._is_sign(number) or None,
            "broken": None if math.isfinite(node.rms) else True,
            "trouble": node.trouble or None,
            "many": node.count > 1 or None,
        }

    def _small(self, node: Node, is_loss: bool) -> str:
        """The second line of a box, without its shares."""
        if is_loss and node.op != "module":
            return figures.loss_line(node)
        if node.op == "other":
            pruned = sum(edge.count for edge in self.edges if node.id in (edge.source, edge.target))
            return figures.contributions(pruned)
        return f"loss {short(self.loss)} · {figures.sizes(node)}" if is_loss else figures.sizes(node)

    def _is_sign(self, number: int) -> bool:
        """Whether a symbol in a circle is enough, beside the boxes of modules."""
        node = self.things[number]
        return self.folded and figures.is_sign(node) and node.count == 1 and number not in self.losses


def _spoken(path: Sequence[str], kind: str, node: Node) -> str:
    """What a screen reader says of a thing."""
    blame = f", {figures.blame_of(node)} of the blame" if node.parameters else ""
    return f"{printable('.'.join(path))}: {printable(kind)}, gradient rms {short(node.rms)}{blame}"
