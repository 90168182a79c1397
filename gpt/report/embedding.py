"""The tokens as the model's embedding has them: points in a space of many channels, projected onto a plane.

Read next: `gpt/report/parameters.py`, the table of parameters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from gpt.errors import TokenError
from gpt.inspection.vectors import nearest, principal_plane
from gpt.report.markup import Section, figure, paragraph, unit_of
from gpt.runs import Run
from gpt.tokenizers import Tokenizer
from viz.charts import plane, short

_MOST = 100  # tokens; more would cover each other


def section(run: Run, texts: Sequence[str]) -> Section:
    """The embeddings of the tokens on their principal plane; of many tokens, those that are frequent in some texts."""
    unit, ids = unit_of(run.tokenizer), _chosen(run.tokenizer, texts)
    points = run.model.embedding.weight.numpy()[ids].astype(np.float64)
    title = f"The {unit}s on a plane"
    if not np.isfinite(points).all():
        return Section("embedding", title, paragraph("The embedding holds numbers that are not finite.", "missing"))
    places, explained = principal_plane(points)
    neighbours = nearest(points)
    names = [run.tokenizer.show(id) for id in ids]
    tips = [
        f"{name}: nearest in direction is {names[other]}, cosine {short(cosine)}"
        for name, (other, cosine) in zip(names, neighbours, strict=False)
    ]
    links = sorted({(min(a, b), max(a, b)) for a, (b, _) in enumerate(neighbours)})
    chart = plane(
        places.tolist(), names, tips=tips or names, links=links, about="the embeddings on their principal plane"
    )
    some = (
        f"Of {len(run.tokenizer):,} {unit}s, {len(ids)} are shown that occur in the texts of this page. "
        if len(ids) < len(run.tokenizer)
        else ""
    )
    return Section(
        "embedding",
        title,
        paragraph(
            f"Each {unit} is a vector of {points.shape[1]} channels. {some}The chart is their projection onto the "
            f"plane with most of their variance, {explained:.0%} of it; the rest is lost. A line joins each {unit} to "
            "the one nearest in direction in the full space: where these two are far apart, the plane is misleading."
        )
        + figure(chart),
    )


def _chosen(tokenizer: Tokenizer, texts: Sequence[str]) -> list[int]:
    """All tokens in order; of many, the most frequent in the texts, or where these hold none, the first."""
    if len(tokenizer) <= _MOST:
        return [*range(len(tokenizer))]
    counts: Counter[int] = Counter()
    for text in texts:
        with suppress(TokenError):  # the file was changed
            counts.update(tokenizer.encode(text).tolist())
    return [id for id, _ in counts.most_common(_MOST)] or [*range(_MOST)]
