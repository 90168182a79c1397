"""Schedules: values at the steps where something changes, and what holds at every step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn.schedules import warmup_constant, warmup_cosine, warmup_linear, warmup_stable_decay

ALL = [warmup_cosine, warmup_linear, warmup_constant, lambda peak, **steps: warmup_stable_decay(peak, decay=1, **steps)]


def test_the_cosine_falls() -> None:
    rate = warmup_cosine(2.0, warmup=10, total=110, floor=0.5)
    assert [rate(step) for step in (10, 35, 60, 110, 1000)] == pytest.approx([2, 1.7803, 1.25, 0.5, 0.5], abs=1e-4)
    assert warmup_cosine(2.0, warmup=10, total=110)(110) == 0


def test_the_line_falls() -> None:
    rate = warmup_linear(2.0, warmup=10, total=110, floor=0.5)
    assert [rate(step) for step in (10, 35, 60, 110, 1000)] == pytest.approx([2, 1.625, 1.25, 0.5, 0.5])


def test_a_constant_stays() -> None:
    rate = warmup_constant(0.3, warmup=10, total=110)
    assert {rate(step) for step in (9, 10, 60, 110, 1000)} == {0.3}


def test_a_stable_rate_falls_at_the_end() -> None:
    rate = warmup_stable_decay(2.0, warmup=10, total=110, decay=20, floor=0.5)
    assert {rate(step) for step in (9, 10, 50, 89)} == {2.0}
    assert [rate(step) for step in (90, 95, 100, 110, 1000)] == pytest.approx([2, 1.625, 1.25, 0.5, 0.5])
    whole = warmup_stable_decay(2.0, warmup=10, total=110, decay=100)
    line = warmup_linear(2.0, warmup=10, total=110)
    assert [whole(step) for step in range(120)] == pytest.approx([line(step) for step in range(120)])
    with pytest.raises(ValueError, match=r"^warmup_stable_decay: needs warmup \+ decay <= total, got [^\n]*$"):
        warmup_stable_decay(1.0, warmup=10, total=110, decay=101)


@given(st.sampled_from(ALL), st.floats(0, 10), st.integers(0, 20), st.integers(1, 30))
def test_all_rise_to_the_peak_and_never_rise_again(make: Any, peak: float, warmup: int, more: int) -> None:
    rate = make(peak, warmup=warmup, total=warmup + more)
    rates = [rate(step) for step in range(warmup + more + 5)]
    assert rates[:warmup] == pytest.approx([peak * (step + 1) / warmup for step in range(warmup)])
    assert rates[warmup] == pytest.approx(peak)
    assert all(0 <= later <= earlier for earlier, later in zip(rates[warmup:], rates[warmup + 1 :]))


@pytest.mark.parametrize("make", ALL)
def test_warmup_must_end_before_the_training(make: Any) -> None:
    with pytest.raises(ValueError, match=r"^warmup_\w+: needs [^\n]*warmup[^\n]*, got [^\n]*$"):
        make(1.0, warmup=5, total=5)
