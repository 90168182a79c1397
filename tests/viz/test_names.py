"""Names, scopes, dtypes and rules from outside: pictures show them literally, whatever markup they contain."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engine
import viz
from engine import Tensor
from tests.viz.drawn import things
from viz.words import columns, printable, shortened

HOSTILE = [
    '"];x[',
    r"\N",
    r"\L\G\E\T\H\n\l\r",
    r"a\\",
    r'a\"b\\"];x[',
    "%s%n{0}",
    "<b>x</b>",
    "</script>",
    "<!--",
    "]]>",
    "a\x00b\x1b[31m",
    "\u202eabc\u2066",
    "&lt;&amp;&#65;",
    "two\nlines\r\n\t",
    " ",
    "a  b",
    "é→中文",
    "🙂👩‍👩‍👧",
    "\ud800",
    "\x85\u2028",
    "'\"`",
    "digraph",
]


def a_flow(name: str) -> viz.BlameFlow:
    x = Tensor([1.0, 2.0], requires_grad=True, name="leaf of " * (not name) + name)
    with engine.scope(name):
        flow = viz.trace((engine.exp(x) * x).sum())
    nodes = [replace(node, dtype=name, formula=f"formula {name}") for node in flow.nodes]
    edges = [replace(edge, rule=f"rule {name}", local=name) for edge in flow.edges]
    return replace(flow, nodes=tuple(nodes), edges=tuple(edges))


def plain(text: str) -> str:
    """The text with plain spaces: Graphviz writes a space beside another as a non-breaking one."""
    return text.replace("\xa0", " ")


def structure(svg: str) -> list[tuple[str, list[str]]]:
    return [(element.tag, sorted(element.keys())) for element in ET.fromstring(svg).iter()]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_are_shown_and_not_obeyed(name: str) -> None:
    wide = columns(printable(name)) > len(printable(name)) or not name.isascii()
    harmless, hostile = a_flow("中x" if wide else "x").svg(), a_flow(name).svg()
    assert structure(harmless) == structure(hostile)
    drawn = things(hostile)
    shown = [plain(text) for thing in drawn if thing.kind != "edge" for text, _, _ in thing.texts]
    assert shown.count(shortened(printable(name), 30)) == 2  # the leaf, and the frame of the scope
    for thing in drawn:
        if thing.kind == "node":
            assert printable(name) in plain(thing.tooltip)
            assert f"formula {printable(name)}" in plain(thing.tooltip) or "leaf" in thing.tooltip
        if thing.kind == "edge":
            assert f"rule: rule {printable(name)}" in plain(thing.tooltip)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(min_size=1, max_size=25))
def test_any_name_is_shown(name: str) -> None:
    shown = [plain(text) for thing in things(a_flow(name).svg()) for text, _, _ in thing.texts]
    assert shown.count(shortened(printable(name), 30)) >= 2


def test_a_long_name_loses_its_middle_and_the_tooltip_has_all_of_it() -> None:
    name = "model.layers.11." + "very_" * 300 + "long.weight"
    (leaf,) = (t for t in things(a_flow(name).svg()) if t.kind == "node" and any("weight" in x for x, _, _ in t.texts))
    assert leaf.texts[0][0] == "model.lay…very_very_long.weight"[:9] + "…" + name[-20:]
    assert name in leaf.tooltip


def test_what_has_no_name_is_said_to_have_none() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with engine.scope(""):
        flow = viz.trace(engine.exp(x).sum())
    texts = [text for thing in things(flow.svg()) for text, _, _ in thing.texts]
    assert "(no name)" in texts
    assert "leaf" in texts
    assert "(no name)" in [text for thing in things(flow.fold(1).svg()) for text, _, _ in thing.texts]


@given(st.text(), st.integers(2, 40))
def test_a_shortened_text_keeps_both_ends(text: str, most: int) -> None:
    short = shortened(text, most)
    assert columns(short) <= max(most, 1)
    if short != text:
        head, _, tail = short.rpartition("…") if short.count("…") == 1 else ("", "", "")
        assert text.startswith(head)
        assert text.endswith(tail)
