"""The flow of blame for up to three held-out problems of the calculator, by stage and by token.

Read next: `gpt/report/pictures.py`, pictures inside a page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gpt.blame import TracedAnswer, blame
from gpt.data import calculator
from gpt.data.calculator import Problem, exactly_right
from gpt.generation.generate import generate
from gpt.report.markup import Section, code, figure, paragraph, place, unit_of
from gpt.report.pictures import flow_of_blame
from gpt.runs import Run
from viz import BlameFlow, digits
from viz.charts import short, strip
from viz.charts.marks import escaped

NOT_FINITE = paragraph("The loss of this answer is not a finite number, so no blame can be traced.", "missing")


@dataclass(frozen=True)
class Example:
    """A problem and how the model does on it.

    Fields:
        kind: why it was chosen.
        problem: question and right answer.
        said: the answer of the model.
        verdict: the flow of blame for the right answer.
    """

    kind: str
    problem: Problem
    said: str
    verdict: TracedAnswer

    @property
    def right(self) -> bool:
        """Whether the model gives exactly the right answer."""
        return self.said == self.problem.answer


def choose(run: Run) -> list[Example]:
    """An easy held-out problem, a subtraction, and one that the model answers wrongly if there is any."""
    _, problems = calculator.split()
    right = exactly_right(run.model, calculator.encode(problems, run.tokenizer)).tolist()
    known = [problem for problem, good in zip(problems, right, strict=True) if good]
    chosen: list[tuple[str, Problem]] = [("An easy one", min(known or problems, key=_length))]
    minus = [p for p in known if p.operation == "minus"] or [p for p in problems if p.operation == "minus"]
    chosen.append(("A subtraction", max(minus, key=_length)))
    wrong = [p for p, good in zip(problems, right, strict=True) if not good and p not in [q for _, q in chosen]]
    chosen += [("One it gets wrong", problem) for problem in wrong[:1]]
    return [_example(run, kind, problem) for kind, problem in chosen]


def _length(problem: Problem) -> tuple[int, str]:
    return len(problem.question), problem.question


def _example(run: Run, kind: str, problem: Problem) -> Example:
    try:
        said, _ = generate(run.model, run.tokenizer, problem.question)
    except FloatingPointError:  # a model that was spoiled says nothing, and is shown as it is
        said = ""
    return Example(kind, problem, said, blame(run, problem.question, problem.answer))


def flows(chosen: list[Example]) -> Section:
    """The shares of the stages and the picture of each example."""
    body = [
        paragraph(
            "For each of these held-out problems: the loss of the right answer, and where the chain rule carries the "
            "blame for it. The bars are shares of the sum of squares of the gradient in each stage's parameters and "
            "add up to 100%. In the picture blame enters at the loss on top and runs down: the wider an edge, the "
            "larger its contribution; blue adds to the gradient below, dashed crimson cancels a part of it. The "
            "straight line is the residual stream."
        )
    ]
    for number, example in enumerate(chosen):
        body.append(_heading(example))
        if not math.isfinite(example.verdict.flow.loss):
            body.append(NOT_FINITE)
            continue
        body.append(flow_of_blame(example.verdict.flow, example.problem.answer, opened=number == 0))
    return Section("flow", "The flow of blame", "\n".join(body))


def _heading(example: Example) -> str:
    problem, verdict = example.problem, example.verdict
    outcome = "right" if example.right else f"wrong: the model says {code(example.said) if example.said else 'nothing'}"
    return (
        f"<h3>{escaped(example.kind)}: <code>{escaped(problem.question)}<b>{escaped(problem.answer)}</b></code></h3>\n"
        + paragraph(
            f"{outcome[0].upper()}{outcome[1:]}. The right answer has probability {digits.short(verdict.probability)}, "
            f"a loss of {digits.short(verdict.flow.loss)} nats."
        )
    )


def positions(run: Run, chosen: list[Example]) -> Section:
    """The norm of the gradient at each token of each example."""
    unit = unit_of(run.tokenizer)
    body = [
        paragraph(
            f"The gradient of the loss with respect to the embedded input has a vector for each {unit}. Its norm "
            f"says how much the loss would change if this {unit} were embedded a little differently. Bars and "
            f"shades show it, on a scale for each text; the {unit}s of the right answer, which the model reads one "
            "by one, are underlined."
        )
    ]
    for example in chosen:
        if not math.isfinite(example.verdict.flow.loss):
            body.append(NOT_FINITE)
            continue
        question, answer = (run.tokenizer.pieces(text) for text in (example.problem.question, example.problem.answer))
        text = example.problem.question + example.problem.answer
        body.append(blamed(example.verdict.flow, example.kind, text, [*question, *answer], len(question), unit))
    return Section("positions", f"The {unit}s the loss blames", "\n".join(body))


def blamed(flow: BlameFlow, kind: str, text: str, tokens: Sequence[str], marked: int, unit: str) -> str:
    """The norm of the gradient at each of a text's tokens; those after the first `marked` ones are underlined."""
    (norms,) = flow.positions
    most = max(range(len(norms)), key=lambda k: norms[k])
    return figure(
        strip(
            tokens,
            norms,
            name="gradient norm",
            about=f"how much each {unit} of {text!r} is blamed",
            marked=marked,
            unit=unit,
        ),
        f"{escaped(kind)}: most blamed is {code(tokens[most])}, the {place(most + 1)} {unit}, "
        f"with {short(norms[most])}.",
    )
