"""Attention maps for one text: which tokens each head looks at.

Read next: `gpt/report/embedding.py`, the characters as vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.arrays import Array
from gpt.report.markup import Section, code, figure, paragraph, place, unit_of
from gpt.runs import Run
from viz.charts import LinearScale, Ticks, heatmap, legend
from viz.digits import percent

_TITLE = "Where the heads look"
_SCALE = LinearScale(1.0)
_BLANK = 0.005  # cells below half a percent stay empty, which halves the page
_NOTHING = Section(
    "attention",
    _TITLE,
    paragraph("The attention weights are not finite numbers, so there is nothing to draw.", "missing"),
)


def section(run: Run, prompt: str) -> Section:
    """For every block: the weights of the last character, by head, and the whole map of each head."""
    weights = _weights(run, run.tokenizer.encode(prompt))
    if weights is None:
        return _NOTHING
    characters = run.tokenizer.pieces(prompt)
    body = [
        paragraph(
            f"The prompt is {code(prompt)}; ␣ is a space. A row is a character that looks, a column one that it "
            "can look at: itself or an earlier one. The weights in a row, with which the head averages what it reads, "
            "add up to 100%. The framed row is the last character, where the answer's first character is decided."
        ),
        legend(_SCALE, f"attention weight; below {_BLANK:.1%} left blank", percent=True),
    ]
    for number, layer in enumerate(weights):
        body.append(f"<h3>Block {number + 1} of {len(weights)}</h3>")
        body.append(figure(_last_row(layer, characters, number), _largest(layer, characters)))
        maps = [f"<figure>{_head(layer[head], characters, head)}</figure>" for head in range(len(layer))]
        body.append(f'<div class="maps">{"".join(maps)}</div>')
    return Section("attention", _TITLE, "\n".join(body))


def of_passage(run: Run, passage: Sequence[int]) -> Section:
    """For every block: what the last token of a passage, given as ids, looks at, by head."""
    unit, weights = unit_of(run.tokenizer), _weights(run, np.array(passage))
    if weights is None:
        return _NOTHING
    tokens = [run.tokenizer.show(id) for id in passage]
    body = [
        paragraph(
            f"Rows are the {unit}s of a passage that the model was not trained on, from top to bottom; columns are "
            f"heads. Shown is what the last {unit}, {code(tokens[-1])}, looks at, where the next one is predicted. The "
            "weights in a column, with which the head averages what it reads, add up to 100%."
        ),
        legend(_SCALE, f"attention weight; below {_BLANK:.1%} left blank", percent=True),
    ]
    maps = [_columns(layer[:, -1], tokens, number) for number, layer in enumerate(weights)]
    body.append(f'<div class="maps">{"".join(f"<figure>{one}</figure>" for one in maps)}</div>')
    return Section("attention", _TITLE, "\n".join(body))


def _weights(run: Run, ids: Array) -> list[Array] | None:
    """The attention weights of each block, (heads, time, time); None if there is one that is not finite."""
    weights = [layer.numpy()[0] for layer in run.model.attention_weights(ids[None])]
    return weights if all(np.isfinite(layer).all() for layer in weights) else None


def _columns(rows: Array, tokens: list[str], number: int) -> str:
    """The weights of the last token in one block, (heads, time), a column for each head."""
    values = rows.T.tolist()

    def describe(row: int, column: int) -> str:
        return f"head {column + 1} looks at {_named(tokens, row)}: {percent(values[row][column])}"

    heads = len(rows)
    return heatmap(
        values,
        rows=tokens,
        ticks=Ticks([(head + 0.5, str(head + 1)) for head in range(heads)], "head"),
        scale=_SCALE,
        describe=describe,
        about=f"what the last token attends to in block {number + 1}, by head",
        cell=(min(26, 150 / heads), 12),
        left=14 + 7.5 * max(map(len, tokens)),
        blank=_BLANK,
        heading=f"block {number + 1}",
    )


def _last_row(layer: Array, characters: list[str], number: int) -> str:
    """The last character's weights, a row for each head."""
    rows = layer[:, -1].tolist()

    def describe(head: int, column: int) -> str:
        return f"head {head + 1} looks at {_named(characters, column)}: {percent(rows[head][column])}"

    return heatmap(
        rows,
        rows=[f"head {head + 1}" for head in range(len(rows))],
        ticks=_ticks(characters),
        scale=_SCALE,
        describe=describe,
        about=f"what the last character attends to in block {number + 1}, by head",
        cell=(min(26, 720 / len(characters)), 20),
        left=62,
        blank=_BLANK,
        heading="what the last character looks at",
    )


def _head(rows: Array, characters: list[str], head: int) -> str:
    """The whole map of one head."""
    values = [row[: at + 1] for at, row in enumerate(rows.tolist())]  # the future is masked, so it is not drawn

    def describe(row: int, column: int) -> str:
        return f"{_named(characters, row)} looks at {_named(characters, column)}: {percent(values[row][column])}"

    cell = 224 / len(characters)
    return heatmap(
        values,
        rows=characters,
        ticks=_ticks(characters),
        scale=_SCALE,
        describe=describe,
        about=f"attention of head {head + 1}",
        cell=(cell, cell),
        left=22,
        blank=_BLANK,
        outlined=len(characters) - 1,
        heading=f"head {head + 1}",
    )


def _ticks(characters: list[str]) -> Ticks:
    return Ticks([(number + 0.5, character) for number, character in enumerate(characters)])


def _named(characters: list[str], number: int) -> str:
    return f"{characters[number]} ({place(number + 1)})"


def _largest(layer: Array, characters: list[str]) -> str:
    """The largest weight in the last rows of all heads, in words."""
    head, column = np.unravel_index(int(layer[:, -1].argmax()), layer[:, -1].shape)
    weight = float(layer[head, -1, column])
    return f"The largest weight here: head {head + 1} gives {percent(weight)} to {_named(characters, int(column))}."
