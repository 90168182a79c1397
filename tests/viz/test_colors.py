"""Colours and numbers: the scale is even and can be read in grey, and percentages are rounded, never adjusted."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from viz.colors import ADDS, CANCELS, FAINT, INK, PALE, PAPER, LogScale, luminance
from viz.digits import percents, short


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def lightness(color: str) -> float:
    return 116 * luminance(color) ** (1 / 3) - 16


def test_the_scale_runs_evenly_from_light_to_dark() -> None:
    scale = LogScale.of([0.002, 0.5, 0.0])
    assert (scale.low, scale.high) == (0.001, 1.0)
    steps = [lightness(scale.color(0.001 * 10 ** (k / 8))) for k in range(25)]
    falls = [a - b for a, b in pairwise(steps)]
    assert min(falls) > 0.8 * max(falls) > 0


@given(st.floats(0, 1))
def test_text_can_be_read_on_every_fill(part: float) -> None:
    scale = LogScale(1e-3, 1e3)
    size = 10 ** (6 * part - 3)
    assert contrast(scale.color(size), scale.ink(size)) >= 4.5  # WCAG 2, level AA


def test_text_and_lines_can_be_read_on_paper() -> None:
    assert contrast(INK, PAPER) >= 4.5
    assert contrast(INK, PALE) >= 4.5
    for color in (ADDS, CANCELS, FAINT):  # words of the legend have these colours
        assert contrast(color, PAPER) >= 4.0
    assert contrast("#000000", LogScale(0.1, 1.0).color(math.nan)) == 21  # no number has no colour


@given(st.lists(st.floats(min_value=0) | st.just(math.nan)))
@example([5e-324])
@example([1.7e308, 1e300])
def test_a_scale_holds_whatever_it_is_made_for(sizes: list[float]) -> None:
    scale = LogScale.of(sizes)
    assert 0 < scale.low < scale.high < math.inf
    assert all(re.fullmatch(r"#[0-9a-f]{6}", scale.color(size)) for size in sizes)
    assert len(scale.ticks()) <= 7
    finite = [size for size in sizes if 1e-306 < size < 1e308]
    assert all(scale.low <= size * (1 + 1e-12) and size <= scale.high * (1 + 1e-12) for size in finite)


def test_zero_is_not_the_smallest_size() -> None:
    scale = LogScale.of([0.0, 1.0])
    assert scale.color(0.0) == PAPER != scale.color(scale.low)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8))
@example([1 / 3, 1 / 3, 1 / 3])
@example([0.995, 0.005])
@example([1.0, 0.0])
def test_percentages_are_their_shares_rounded_and_add_up(weights: list[float]) -> None:
    shares = [*weights[1:], 1 - math.fsum(weights[1:])]
    texts = percents(shares)
    read = [float(text.removesuffix("%").replace("<", "")) for text in texts]
    unit = 0.1 if any("." in text for text in texts) else 1.0
    for share, text, value in zip(shares, texts, read, strict=True):
        assert abs(value - 100 * share) <= unit / 2 + 0.051 * ("<" in text) + 1e-9
        assert (text == "0%") == (share == 0)
    if not any("<" in text for text in texts):
        assert abs(sum(read) - 100) <= unit / 2 * len(read) + 1e-9
        assert unit == 0.1 or round(sum(read)) == 100
    assert len({(share, text) for share, text in zip(shares, texts, strict=True)}) == len(set(shares))


def test_percentages_of_nothing_and_of_much() -> None:
    assert percents([]) == []
    assert percents([math.nan, math.nan]) == ["", ""]
    assert percents([1e6 + 1, -1e6]) == ["1e8%", "-1e8%"]
    assert percents([math.inf, math.nan]) == ["inf%", ""]


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(2, 6))
@example(99999.5, 4)
@example(-0.0, 3)
def test_short_numbers_are_short_and_nearly_right(number: float, digits: int) -> None:
    text = short(number, digits)
    assert float(text) == pytest.approx(number, rel=0.51 * 10 ** (1 - digits), abs=5e-324)
    assert len(text) <= max(digits, 5) + 6 + 1
    assert not text.startswith("-0") or "." in text
