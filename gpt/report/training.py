"""The training: its curves, and the gradient of each stage over time.

Read next: `gpt/report/samples.py`, what the model said on its way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from gpt.report.gradients import EXPLODES, VANISHES, History, exploding, vanishing
from gpt.report.markup import Section, code, figure, paragraph
from gpt.report.metrics import Metrics
from viz.charts import LinearScale, Series, Ticks, heatmap, legend, line, short
from viz.charts.axes import Axis
from viz.charts.marks import escaped
from viz.charts.scale import Scale
from viz.colors import LogScale
from viz.digits import percent

_COLUMNS = 90  # of a heat map; more would be too narrow to see
_SMOOTH = 60  # a mean reaches one point further to either side for every 60 points
_MAP, _LEFT, _ROW = 600, 178, 22
_NOTHING = "metrics.jsonl holds no measurement, so there is nothing to draw here."


def curves(metrics: Metrics, training: dict[str, Any], rows: str) -> Section:
    """Loss, gradient norm, learning rate and accuracy over the steps; a batch is of so many `rows`, a plural."""
    measured = metrics.measured
    if not measured:
        return Section("curves", "The training", paragraph(_NOTHING, "missing"))
    ends = [measured[0].step, measured[-1].step]
    loss = [(one.step, one.loss) for one in measured]
    norm = [(one.step, one.norm) for one in measured]
    rate = [(one.step, one.learning_rate) for one in measured]
    clip = training.get("clip")
    levels = [(clip, "clipped above this")] if isinstance(clip, float) and max(y for _, y in norm) > clip / 4 else []
    parts = [
        _how_measured(len(measured), training.get("batch_size"), rows),
        figure(
            line([*_with_mean("loss", loss), *_validation(metrics)], y="loss, nats per token", log=True, reach=ends),
            "The loss is the mean of -log(probability) over the tokens that the model has to predict, on a logarithmic "
            "scale: a straight fall means that it shrinks by the same factor in the same number of steps. The dots are "
            "the same for validation data, which is not trained on; they rise where the model begins to memorise.",
        ),
        figure(
            line(_with_mean("norm", norm), y="gradient norm", log=True, height=180, reach=ends, levels=levels),
            "The norm of the gradient of all parameters together, before clipping. It need not fall with the "
            "loss: it is the slope of the loss at the current parameters, not its height.",
        ),
        figure(
            line([Series("learning rate", rate)], y="learning rate", height=150, reach=ends, hold=[0.0]),
            _rate(training),
        ),
    ]
    if metrics.held_out or any(not math.isnan(one.accuracy) for one in measured):
        parts.append(_accuracy(metrics, ends))
    if metrics.unreadable:
        parts.append(paragraph(f"{metrics.unreadable:,} lines of metrics.jsonl could not be read.", "missing"))
    return Section("curves", "The training", "\n".join(parts))


def _rate(training: dict[str, Any]) -> str:
    """How the learning rate goes, in words."""
    schedule, floor = training.get("schedule", "cosine"), training.get("floor", 0.0)
    down = f"to {f'{short(floor)} times its peak' if isinstance(floor, float) and floor else '0'}"
    ways = {
        "cosine": f"then falls along a cosine {down}",
        "linear": f"then falls in a straight line {down}",
        "stable": f"stays, and at the end falls in a straight line {down}",
        "constant": "then stays",
    }
    return f"The learning rate warms up and {ways.get(schedule, f'then follows {code(str(schedule))}')}."


def _how_measured(count: int, batch_size: Any, rows: str) -> str:
    """What a point of a curve is; and the thick curve, if there is one."""
    said = f"{count:,} measurements, each" if count > 1 else "One measurement,"
    said += " on the batch of a single step" + (f", {batch_size:,} {rows}. " if isinstance(batch_size, int) else ". ")
    if count // _SMOOTH:
        said += "The thin curve is noisy; the thick one is its mean over neighbouring points. "
    return paragraph(said + "Rest the pointer on a chart to read its numbers.")


def _with_mean(name: str, points: Sequence[tuple[float, float]]) -> list[Series]:
    """The curve as measured, and its mean over the thirtieth of all points around each."""
    reach = len(points) // _SMOOTH
    if not reach:
        return [Series(name, points)]
    around = [points[max(k - reach, 0) : k + reach + 1] for k in range(len(points))]
    mean = [(x, math.fsum(y for _, y in near) / len(near)) for (x, _), near in zip(points, around, strict=True)]
    return [Series(name, points, "faint"), Series("mean", mean)]


def _validation(metrics: Metrics) -> list[Series]:
    """The loss on validation data, at the steps where it was measured."""
    points = [(float(one.step), one.validation) for one in metrics.measured if one.validation > 0]
    return [Series("validation", points, "dots")] if points else []


def _accuracy(metrics: Metrics, ends: Sequence[float]) -> str:
    """Exact answers on validation problems, at the steps where they were measured."""
    points = [(float(one.step), 100 * one.accuracy) for one in metrics.measured if not math.isnan(one.accuracy)]
    if not points:
        return paragraph("The accuracy on problems for validation was never measured.", "missing")
    return figure(
        line([Series("right, %", points, "dots")], y="validation problems answered exactly, %", reach=ends, hold=[0.0]),
        "Accuracy on problems that are kept for validation and not trained on: every character of the answer must be "
        "right, each chosen as the most probable. It can stay the same while the loss falls, because one wrong "
        "character makes an answer wrong.",
    )


def by_stage(metrics: Metrics, past: History) -> Section:
    """The gradient of each stage over the training, as heat maps and in words."""
    title = "The gradient of each stage"
    if not metrics.measured:
        return Section("gradients", title, paragraph(_NOTHING, "missing"))
    if not past.steps:
        said = f"metrics.jsonl has no {code('squared')}, the gradient by stage: an older version wrote it. Train again."
        return Section("gradients", title, paragraph(said, "missing"))
    columns = past.binned(_COLUMNS)
    each = round(len(past.steps) / len(columns.steps))
    rms, shares = columns.rms.tolist(), columns.shares.tolist()
    sizes, parts = LogScale.of(x for row in rms for x in row), LinearScale.of(x for row in shares for x in row)
    body = [
        paragraph(
            "Stages are in the order of the model, the embedding on top; time runs to the right. Gradients are "
            f"those before clipping{f'; each column is the mean of {each} measurements' if each > 1 else ''}."
        ),
        "<h3>How large it is</h3>",
        legend(sizes, "root mean square of dL/dθ, logarithmic scale"),
        figure(
            _map(columns, rms, sizes, "rms", short),
            "The root mean square does not grow with the number of parameters, so stages can be compared. Where "
            "gradients vanish on the way from the head to the embedding, the rows fade towards the low end of the "
            "scale from the bottom up; where one explodes, a stripe stands out at the high end.",
        ),
        *_diagnosis(past),
        *_broken(metrics),
        "<h3>Each stage's share</h3>",
        legend(parts, "share of the sum of squares", percent=True),
        figure(
            _map(columns, shares, parts, "share", percent),
            "Each column adds up to 100%. A share is the part of the loss's first-order fall under a step of "
            "gradient descent that comes from this stage: its share of the blame, which grows with its parameters.",
        ),
    ]
    return Section("gradients", title, "\n".join(body))


def _map(columns: History, values: list[list[float]], scale: Scale, name: str, write: Callable[[float], str]) -> str:
    """A heat map of stages by time; `write` makes the text of a value."""
    count = len(columns.steps)
    first, last = columns.steps[0][0], columns.steps[-1][1]
    axis = Axis.of([first, last], 0.5, max(count - 0.5, 0.51), whole=True)  # in columns

    def describe(row: int, column: int) -> str:
        start, end = columns.steps[column]
        steps = f"step {start:,}" if start == end else f"steps {start:,} to {end:,}"
        return f"{columns.stages[row]}, {steps}: {name} {write(values[row][column])}"

    return heatmap(
        values,
        rows=columns.stages,
        ticks=Ticks(
            [(axis.place(tick), short(tick)) for tick in axis.ticks(count / 7)] if first < last else [], "step"
        ),
        scale=scale,
        describe=describe,
        about=f"{name} of the gradient of each stage over the training",
        cell=(_MAP / count, _ROW),
        left=_LEFT,
    )


def _diagnosis(past: History) -> list[str]:
    """Vanishing and exploding gradients in words, with the deciding numbers."""
    since = past.steps[-past.tenth()][0]
    vanished, exploded = vanishing(past), exploding(past)
    late = {stage: ratio for stage, ratio in zip(past.stages, past.late().tolist()) if not math.isnan(ratio)}
    if not late:
        first = "<b>Vanishing gradients: not known.</b> None was measured at the end."
    elif vanished:
        names = ", ".join(f"{code(stage)} ({_times(ratio)})" for stage, ratio in vanished)
        first = f"<b>Vanishing gradients: {names}.</b>"
    else:
        least = min(late, key=lambda stage: late[stage])
        first = f"<b>Vanishing gradients: none seen.</b> The smallest is {code(least)}, at {_times(late[least])}."
    first += (
        f" A stage counts as vanishing if its root mean square from step {since:,} on, the last tenth of the "
        f"measurements, is below {short(VANISHES)} of the median stage's."
    )
    if exploded:
        names = ", ".join(f"{code(stage)} ({_grown(growth)} at step {step:,})" for stage, growth, step in exploded)
        second = f"<b>Exploding gradients: {names}.</b>"
    else:
        second = "<b>Exploding gradients: none seen.</b> "
        growth = [
            (each, stage)
            for stage, row in zip(past.stages, past.growth().tolist(), strict=True)
            for each in row
            if not math.isnan(each)
        ]
        if growth:
            most, stage = max(growth, key=lambda pair: pair[0])
            second += f"The largest growth is that of {code(stage)}: {_grown(most)}."
    second += (
        f" A stage counts as exploding if at any measurement its root mean square is more than {short(EXPLODES)} "
        "times its median over the first tenth of them, or not finite."
    )
    return [paragraph(first, "alarm" if vanished else ""), paragraph(second, "alarm" if exploded else "")]


def _broken(metrics: Metrics) -> list[str]:
    """The reason why a training broke off, which the measurements before need not show."""
    if metrics.stopped in ("", "interrupted"):
        return []
    said = f"<b>The training broke off: {escaped(metrics.stopped)}.</b> All measurements here are from before."
    return [paragraph(said, "alarm")]


def _times(ratio: float) -> str:
    return f"{short(ratio)} of the median stage's" if ratio else "no gradient at all"


def _grown(growth: float) -> str:
    return "not finite" if math.isinf(growth) else f"{short(growth)} times"
