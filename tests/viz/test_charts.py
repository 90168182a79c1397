"""Charts: well-formed whatever the data, true to the data where it can be drawn, and plain about what cannot."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.charts import (
    STYLE,
    Bar,
    LinearScale,
    Series,
    Ticks,
    bars,
    heatmap,
    legend,
    line,
    plane,
    sheet,
    short,
    strip,
)
from viz.charts.axes import Axis, drawable
from viz.colors import LogScale

HOSTILE = ['"><script>alert(1)</script>', "</svg>", "&amp;", "a\x00b\x1b[31m", "\u202eabc", "{curly}", "é→中"]
ANY = st.floats(width=64)
NAMES = st.sampled_from([*HOSTILE, "a", ""])


def parsed(chart: str) -> ET.Element:
    """The chart as XML, after looking for what no chart may hold."""
    root = ET.fromstring(chart)
    for element in root.iter():
        assert element.tag in {"svg", "g", "title", "text", "rect", "line", "circle", "polyline"}
        for name, value in element.attrib.items():
            assert name not in {"id", "style", "href"}
            assert not name.startswith("on")
            if name not in {"class", "role", "aria-label", "viewBox", "points", "text-anchor"}:
                assert math.isfinite(float(value)), f"{element.tag} {name}={value}"
        for number in element.get("points", "").replace(",", " ").split():
            assert math.isfinite(float(number))
    return root


def texts(root: ET.Element, tag: str = "text") -> list[str]:
    return [element.text or "" for element in root.iter(tag)]


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def a_map(values: Sequence[Sequence[float]], name: str = "row", blank: float = -1.0) -> str:
    return heatmap(
        values,
        rows=[f"{name}{k}" for k in range(len(values))],
        ticks=Ticks([(0.5, name)], name),
        scale=LinearScale(1.0),
        describe=lambda row, column: f"{name} {values[row][column]}",
        about=name,
        cell=(10, 10),
        left=40,
        blank=blank,
        outlined=len(values) - 1 if values else None,
        heading=name,
    )


def a_strip(sizes: Sequence[float], name: str = "a") -> str:
    return strip([name] * len(sizes), sizes, name="norm", about=name, marked=1)


def a_plane(points: Sequence[tuple[float, float]], name: str = "a") -> str:
    links = [(k, k + 1) for k in range(len(points) - 1)]
    return plane(points, [name] * len(points), tips=[name] * len(points), links=links, about=name)


@given(st.lists(st.tuples(ANY, ANY), max_size=8), st.booleans(), NAMES)
def test_a_curve_can_be_drawn_of_anything(points: list[tuple[float, float]], log: bool, name: str) -> None:
    points.sort(key=lambda point: (math.isnan(point[0]), point[0]))
    root = parsed(line([Series(name, points), Series("second", points[:1], "dots")], y=name, log=log))
    assert all(text.isprintable() for text in texts(root))


@given(st.lists(st.lists(ANY, min_size=1, max_size=5), max_size=4), NAMES)
def test_a_map_can_be_drawn_of_anything(values: list[list[float]], name: str) -> None:
    root = parsed(a_map(values, name))
    assert len(of_class(root, "missing")) == sum(math.isnan(value) for row in values for value in row)


@given(st.lists(ANY, max_size=6), NAMES)
def test_bars_and_strips_can_be_drawn_of_anything(sizes: list[float], name: str) -> None:
    root = parsed(bars([Bar(name, size) for size in sizes], about=name))
    assert [short(size) for size in sizes] == texts(root)[1::2]
    root = parsed(a_strip(sizes, name or "a"))
    assert len(of_class(root, "letter")) == len(sizes)


@given(st.lists(st.tuples(ANY, ANY), max_size=6), NAMES)
def test_a_plane_can_be_drawn_of_anything(points: list[tuple[float, float]], name: str) -> None:
    root = parsed(a_plane(points, name))
    missing = sum(not (drawable(x) and drawable(y)) for x, y in points)
    assert len(of_class(root, "point")) == len(points) - missing
    assert any("not drawn" in text for text in texts(root)) == (missing > 0)


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
@pytest.mark.parametrize(
    "chart",
    [
        lambda name: line([Series(name, [(0, 1), (1, 2)]), Series(name, [])], y=name, x=name, levels=[(1.5, name)]),
        lambda name: a_map([[0.5, 1.0]], name),
        lambda name: bars([Bar(name, 1.0, name, name)], about=name),
        lambda name: a_strip([1.0, 2.0], name),
        lambda name: a_plane([(0, 0), (1, 1)], name),
        lambda name: legend(LinearScale(1.0), name),
    ],
)
def test_hostile_names_are_shown_and_not_obeyed(chart: Callable[[str], str], name: str) -> None:
    harmless, hostile = parsed(chart("x")), parsed(chart(name))
    assert [element.tag for element in harmless.iter()] == [element.tag for element in hostile.iter()]
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)
    assert any(shown in text for text in texts(hostile))


def test_a_curve_stands_where_its_numbers_are() -> None:
    root = parsed(line([Series("loss", [(0, 1.0), (50, 10.0), (100, 100.0)])], y="loss", log=True))
    (curve,) = of_class(root, "curve")
    places = [tuple(map(float, point.split(","))) for point in curve.get("points", "").split()]
    assert places[1][0] == pytest.approx((places[0][0] + places[2][0]) / 2, abs=0.1)
    assert places[1][1] == pytest.approx((places[0][1] + places[2][1]) / 2, abs=0.1)  # equal ratios, equal distances
    assert places[0][1] > places[2][1]
    assert texts(root, "title") == ["0: loss 1", "50: loss 10", "100: loss 100"]
    assert {"1", "10", "100", "0", "50"} <= set(texts(root))


def test_what_cannot_be_drawn_is_said() -> None:
    holes = [(1.0, 2.0), (2.0, math.nan), (3.0, 4.0), (4.0, 3.0), (5.0, math.inf), (6.0, -1.0)]
    root = parsed(line([Series("loss", holes)], y="loss", log=True))
    assert "3 of 6 values are not drawn: not above 0, or not finite" in texts(root)
    assert len(of_class(root, "dot")) == 1  # the point that stands alone
    assert len(of_class(root, "curve")) == 1
    assert "5: loss inf" in texts(root, "title")
    for nothing in ([], [(1.0, math.nan)]):
        assert any("nothing to draw" in text for text in texts(parsed(line([Series("loss", nothing)], y="loss"))))
    assert "nothing measured" in texts(parsed(a_map([])))
    assert "nothing to draw" in texts(parsed(bars([], about="")))


def test_curves_break_where_a_value_is_missing() -> None:
    root = parsed(line([Series("loss", [(0, 1), (1, 2), (2, math.nan), (3, 2), (4, 1)])], y="loss"))
    assert len(of_class(root, "curve")) == 2


def test_a_cell_has_the_colour_of_its_size_and_says_its_number() -> None:
    root = parsed(a_map([[0.0, 0.5, 1.0], [math.nan, math.inf, 0.001]], "r", blank=0.01))
    cells = {title.text: cell.get("class") for cell in root.iter("rect") for title in cell.iter("title")}
    assert cells == {"r 0.5": "l12", "r 1.0": "l23", "r nan": "missing", "r inf": "l23"}  # small ones are left blank
    assert len(of_class(root, "outline")) == 1


def test_bars_are_as_long_as_their_sizes() -> None:
    root = parsed(bars([Bar("a", 2.0), Bar("b", 1.0), Bar("c", 0.0), Bar("d", math.nan)], about="sizes"))
    a, b, *none = (float(bar.get("width", "")) for bar in of_class(root, "bar"))
    assert b == pytest.approx(a / 2, abs=0.01)
    assert none == [0, 0]
    full = parsed(bars([Bar("a", 0.5)], about="", full=1.0))
    assert float(of_class(full, "bar")[0].get("width", "")) < 400


def test_letters_on_a_plane_do_not_cover_each_other() -> None:
    root = parsed(a_plane([(0.0, 0.0)] * 5 + [(0.01, 0.0), (1.0, 1.0)]))
    places = [(float(p.get("cx", "")), float(p.get("cy", ""))) for p in of_class(root, "point")]
    assert min(math.dist(a, b) for k, a in enumerate(places) for b in places[:k]) > 21
    assert len(of_class(root, "dot")) >= 4  # where the moved ones are


@given(
    st.lists(st.floats(allow_nan=False), min_size=1),
    st.booleans(),
    st.sampled_from([(0.0, 700.0), (200.0, 20.0)]),
)
def test_an_axis_holds_its_values_and_marks_few_rising_ticks(
    values: list[float], log: bool, ends: tuple[float, float]
) -> None:
    axis = Axis.of(values, *ends, log=log)
    low, high = sorted(ends)
    for value in values:
        if drawable(value, log):
            assert low - 1e-6 <= axis.place(value) <= high + 1e-6
    ticks = axis.ticks(90)
    assert len(ticks) <= 9
    assert all(a < b for a, b in pairwise(ticks))
    assert all(low - 1e-3 <= axis.place(tick) <= high + 1e-3 for tick in ticks)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (0.00213, "0.00213"),
        (12500.0, "12,500"),
        (-3.14159, "-3.14"),
        (3.1e-7, "3.1e-7"),
        (1e300, "1e300"),
        (999.6, "1,000"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_are_written_as_people_write_them(value: float, written: str) -> None:
    assert short(value) == written


def test_every_class_of_a_chart_has_a_look_on_both_papers() -> None:
    light, dark = STYLE.rsplit("@media", 1)
    colors = [dict(re.findall(r"\.(l\d+) \{ fill: (#\w+)", half)) for half in (light, dark)]
    assert len(colors[0]) == len(colors[1]) == 24
    assert colors[0]["l0"] == colors[1]["l23"] == LogScale(1.0, 10.0).color(1.0)
    assert "INK" not in STYLE
    for name in ("curve", "dot", "bar", "missing", "outline", "band"):
        assert f".{name}" in STYLE


def test_a_sheet_is_a_file_with_each_chart_below_the_last() -> None:
    charts = [("first & <b>", bars([Bar("a", 1.0)], about="")), ("", plane([(0, 0)], ["x"], tips=["x"], about=""))]
    drawn = sheet(charts)
    root = ET.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in drawn, "not every program that shows SVG knows variables"
    assert "@media" not in drawn
    groups = root.findall("{http://www.w3.org/2000/svg}g")
    places = [float(re.findall(r"[\d.]+", group.get("transform", ""))[1]) for group in groups]
    inner = [group[0].attrib for group in groups]
    assert places[1] >= places[0] + float(inner[0]["height"])
    assert float(root.get("height", "")) >= places[1] + float(inner[1]["height"])
    assert float(root.get("width", "")) >= max(float(one["width"]) for one in inner)
    assert "first & <b>" in [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
