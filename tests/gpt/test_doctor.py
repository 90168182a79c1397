"""What is said of a machine, and when there is advice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.tune import Tuned
from gpt import doctor
from gpt.doctor import Health

WELL = Health(
    tuned=Tuned("kept", "OpenBLAS with its kernels for Zen", "2 for each large product"),
    kernels="numba",
    processor="a processor, 2 cores",
    products={1: 100.0, 2: 190.0},
    spread=1.2,
    fresh=20.0,
    reused=21.0,
    small_op=5.0,
)


def test_a_machine_that_is_well_needs_no_advice() -> None:
    assert not list(WELL.advice())
    assert list(WELL.lines())[1:] == [
        "processor  a processor, 2 cores",
        "memory     kept",
        "products   OpenBLAS with its kernels for Zen",
        "threads    2 for each large product",
        "kernels    numba",
        "measured   100 billion operations a second in products of matrices, 1 thread",
        "measured   190 billion operations a second in products of matrices, 2 threads",
        "measured   21.0 GB a second in an addition, 20.0 with a new array for the result",
        "measured   5.0 µs for a small op, forward and backward",
    ]


@pytest.mark.parametrize(
    ("health", "advice"),
    [
        (replace(WELL, products={1: 100.0, 2: 110.0}), "2 threads compute products hardly faster than one"),
        (replace(WELL, spread=3.0), "The same product took up to 3.0 times as long"),
        (replace(WELL, tuned=Tuned("", "", "", ("Use OpenBLAS.",))), "Use OpenBLAS."),
        (replace(WELL, kernels="numpy"), "NumPy alone serves; kernels of Numba"),
    ],
)
def test_advice(health: Health, advice: str) -> None:
    (sentence,) = health.advice()
    assert sentence.startswith(advice)


def test_threads_are_as_before_when_a_machine_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        threads = 5

    def seconds(_: object) -> list[float]:
        used.append(library.threads)
        return [1.0, 2.0]

    library = Library()
    used: list[int] = []
    monkeypatch.setattr(doctor, "cores", lambda: 2)
    monkeypatch.setattr(doctor, "_seconds", seconds)
    rates, spread = doctor._products(library)  # type: ignore[arg-type]
    assert (used, library.threads, spread) == ([1, 2], 5, 2.0)
    assert rates == dict.fromkeys((1, 2), pytest.approx(2 * 1024**3 / 1e9))
