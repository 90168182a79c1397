"""The picture of an inspection: parameters and FLOPs by part, and the numbers of a calculator.

Read next: `CONTRIBUTING.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpt.data.calculator import WORDS
from gpt.inspection.numbers import Numbers
from gpt.inspection.parts import Part
from viz.charts import Bar, LinearScale, Ticks, bars, heatmap, legend, plane, sheet
from viz.charts.marks import short
from viz.digits import percents

_CELL, _LEFT = 5.5, 62


def picture(found: Sequence[Part], numbers: Numbers | None) -> str:
    """One SVG file, with a line above each chart."""
    charts = [
        (
            "parameters by part",
            _shares([(part.name, part.values) for part in found if part.values], "parameters"),
        ),
        (
            "FLOPs of the forward pass by part",
            _shares([(part.name, part.flops) for part in found if part.flops], "FLOPs for each token"),
        ),
    ]
    if numbers is not None:
        scale = LinearScale(1.0)
        charts += [
            (
                "the numbers 0 to 99: how alike the states of the last block are, their mean taken away",
                legend(scale, "cosine; below 0 left blank"),
            ),
            ("", _similarity(numbers, scale)),
            (
                f"the same states on the plane with most of their variance, {numbers.explained:.0%} of it; "
                "a line joins each number to the next",
                _plane(numbers),
            ),
        ]
    return sheet(charts)


def _shares(sizes: Sequence[tuple[str, int]], unit: str) -> str:
    total = sum(size for _, size in sizes)
    shares = percents([size / total for _, size in sizes])
    rows = [
        Bar(name, size, share, f"{name}: {size:,} {unit}") for (name, size), share in zip(sizes, shares, strict=True)
    ]
    return bars(rows, about=f"{unit} by part")


def _similarity(numbers: Numbers, scale: LinearScale) -> str:
    values = numbers.similarity.tolist()

    def describe(row: int, column: int) -> str:
        return f"{WORDS[row]} and {WORDS[column]}: {short(values[row][column])}"

    return heatmap(
        values,
        rows=[WORDS[number] if number % 10 == 0 else "" for number in range(len(WORDS))],
        ticks=Ticks([(number + 0.5, str(number)) for number in range(0, len(WORDS), 10)]),
        scale=scale,
        describe=describe,
        about="how alike the states of each two numbers are",
        cell=(_CELL, _CELL),
        left=_LEFT,
        blank=0.0,
    )


def _plane(numbers: Numbers) -> str:
    return plane(
        numbers.places.tolist(),
        [str(number) for number in range(len(WORDS))],
        tips=WORDS,
        links=[(number, number + 1) for number in range(len(WORDS) - 1)],
        about="the states of the numbers on their principal plane",
    )
