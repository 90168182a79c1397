"""The tree in a terminal: rows add up at every level, and stand in columns."""

from __future__ import annotations

import math
import re
from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

import viz
from viz.data import Parameter
from viz.words import columns

names = st.sampled_from(["a", "blocks.0", "weight", "(its own)", "很长的名字", "e\u0301", "x\n", ""])
parameters = st.lists(
    st.builds(
        Parameter,
        st.lists(names, max_size=4).map(tuple),
        st.none() | names,
        st.integers(1, 10**9),
        st.floats(0, 1e6) | st.just(0.0),
    ),
    min_size=1,
    max_size=12,
)


def flow_of(given: list[Parameter]) -> viz.BlameFlow:
    return viz.BlameFlow(1.5, (), (), tuple(given))


def rows(text: str) -> list[tuple[int, list[str]]]:
    """The level of each row between the head and the sum, and its cells: name, share, |gradient|, rms, parameters."""
    found = []
    for line in text.splitlines()[1:-1]:
        branch = re.match(r"(?:│  |   |├─ |└─ )*", line)
        assert branch is not None
        cells = re.split(r" {2,}", re.sub(r"[█▏▎▍▌▋▊▉]+", " ", line[branch.end() :]).strip())
        found.append((len(branch[0]) // 3, cells))
    return found


def example() -> list[Parameter]:
    return [
        Parameter(("embedding",), "weight", 640, math.sqrt(2)),
        Parameter(("blocks.0", "attention", "query"), "weight", 64, 2.0),
        Parameter(("blocks.0", "attention", "key"), "weight", 64, 1.0),
        Parameter(("blocks.0",), "scale", 1, 1.0),
        Parameter((), "temperature", 1, math.sqrt(2)),
    ]


def test_modules_stand_in_a_tree_down_to_the_depth() -> None:
    table = [(level, cells[:2]) for level, cells in rows(flow_of(example()).text(depth=2))]
    assert table == [
        (0, ["embedding", "20.00%"]),
        (0, ["blocks.0", "60.00%"]),
        (1, ["attention", "50.00%"]),
        (1, ["(its own)", "10.00%"]),
        (0, ["temperature", "20.00%"]),
    ]
    deeper = [(level, cells[0]) for level, cells in rows(flow_of(example()).text(depth=9))]
    assert deeper[2:6] == [(1, "attention"), (2, "query"), (2, "key"), (1, "(its own)")]


def test_rows_tell_norm_rms_and_size() -> None:
    (_, cells), *_ = rows(flow_of(example()).text(2))
    assert cells == ["embedding", "20.00%", "1.41", "0.0559", "640"]


@given(parameters, st.integers(1, 4))
def test_what_stands_under_a_row_adds_up_to_it(given: list[Parameter], depth: int) -> None:
    text = flow_of(given).text(depth)
    lines = text.splitlines()
    assert lines[0].split() == ["stage", "share", "|gradient|", "rms", "parameters"]
    assert lines[-1].startswith("all")
    assert "loss 1.5" in lines[-1]
    assert all(columns(line) <= 100 for line in lines)
    assert len({columns(line) for line in lines}) == 1  # the last column is aligned to the right
    table = [(level, int(cells[-1].replace(",", ""))) for level, cells in rows(text)]
    for place, (level, count) in enumerate(table):
        inside = list(takewhile(lambda row: row[0] > level, table[place + 1 :]))  # noqa: B023 (read at once)
        children = [size for deeper, size in inside if deeper == level + 1]
        assert not children or sum(children) == count
    assert sum(count for level, count in table if level == 0) == sum(parameter.size for parameter in given)


def test_no_gradient_no_shares() -> None:
    text = flow_of([Parameter(("a",), "w", 3, 0.0)]).text()
    assert "nan" not in text
    assert re.search(r"^a +– ", text, re.MULTILINE)
    broken = flow_of([Parameter(("a",), "w", 3, math.nan), Parameter(("b",), "w", 3, 1.0)]).text()
    assert re.search(r"^b +– +1 ", broken, re.MULTILINE)


def test_a_small_share_is_not_nothing() -> None:
    text = flow_of([Parameter(("a",), "w", 3, 1.0), Parameter(("b",), "w", 3, 1e-9)]).text()
    assert re.search(r"^b +<0\.01% +▏", text, re.MULTILINE)
