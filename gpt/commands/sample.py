"""`blameflow sample`: continue a prompt.

Read next: `gpt/commands/fill.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gpt import runs
from gpt.commands.flags import above_zero, number, whole
from gpt.errors import DataError
from gpt.generation.generate import LIMIT, generate_batch, stream
from gpt.generation.sampling import Sampling
from gpt.generation.steps import steps
from gpt.generation.why import Why, explained
from gpt.runs import Run

LIMIT_OF_TEXT = 256
NOTE = (
    "Probabilities are the model's, at temperature 1. Looked at, as token@position weight: the positions that weigh "
    "most in the attention of the last block, the mean of its heads."
)


def options(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("--prompt", default="", help="text to continue")
    parser.add_argument("--temperature", type=number, default=0.0, help="0 is greedy (default: %(default)s)")
    parser.add_argument("--top-k", type=whole(1), help="draw from so many of the likeliest tokens only")
    parser.add_argument("--top-p", type=above_zero, help="draw from the likeliest tokens that have this probability")
    parser.add_argument("--count", type=whole(1), default=1, help="how many continuations (default: %(default)s)")
    parser.add_argument("--seed", type=whole(0), default=None, help="for temperatures above 0")
    parser.add_argument(
        "--limit",
        type=whole(0),
        default=None,
        help=f"most tokens of a continuation (default: {LIMIT}, of a text {LIMIT_OF_TEXT})",
    )
    parser.add_argument(
        "--stop",
        metavar="TEXT",
        action="append",
        help="a text ends before this; may be given again (default: the line end; for a model of a text none)",
    )
    parser.add_argument("--stream", action="store_true", help="show each piece of a text as soon as it is certain")
    parser.add_argument(
        "--why", action="store_true", help="stream, then show in a table what each token was chosen from"
    )


def run(args: Namespace, console: Console) -> int:
    """Continue a prompt, as often as asked."""
    trained = runs.load(args.run)
    if not trained.model.config.causal:
        raise DataError(f"{args.run}: this model fills blanks, it does not continue a text; use `blameflow fill`")
    of_lines = trained.data.data == "calculator"
    stop = [text for text in args.stop or [] if text] if args.stop or not of_lines else ["\n"]
    args.limit = args.limit if args.limit is not None else (LIMIT if of_lines else LIMIT_OF_TEXT)
    rng = np.random.default_rng(args.seed)
    if args.why:
        sampling = Sampling(args.temperature, args.top_k, args.top_p)
        for own in rng.spawn(args.count):
            _show_why(trained, args.prompt, sampling, own, args.limit, stop, console)
        return 0
    settings: dict[str, Any] = {name: getattr(args, name) for name in ("temperature", "top_k", "top_p", "limit")}
    if args.stream:
        for own in rng.spawn(args.count):
            pieces = stream(trained.model, trained.tokenizer, args.prompt, stop=stop, rng=own, **settings)
            _show(args.prompt, pieces, console)
        return 0
    for text, probability in generate_batch(
        trained.model, trained.tokenizer, args.prompt, args.count, stop=stop, rng=rng, **settings
    ):
        console.out(f"{args.prompt}{text}  (probability {probability:.4f})", highlight=False)
    return 0


def _show(prompt: str, pieces: Iterable[str], console: Console) -> None:
    """Print a text as its pieces come; an interrupted one keeps its line."""
    console.out(prompt, end="", highlight=False)
    try:
        for piece in pieces:
            console.out(piece, end="", highlight=False)
            console.file.flush()
    finally:
        console.out()


def _show_why(
    trained: Run,
    prompt: str,
    sampling: Sampling,
    rng: np.random.Generator,
    limit: int,
    stop: list[str],
    console: Console,
) -> None:
    """Print a text as its pieces come, and then the table of its tokens."""
    seen: list[Why] = []
    found = steps(trained.model, trained.tokenizer, prompt, sampling, [rng], limit=limit, stop=stop)

    def pieces() -> Iterator[str]:
        for why in explained(trained.model, trained.tokenizer, prompt, (step for (step,) in found if step)):
            seen.append(why)
            yield why.text

    _show(prompt, pieces(), console)
    console.print(_table(seen))
    console.print(NOTE, markup=False, highlight=False)


def _table(tokens: list[Why]) -> Table:
    """A row for each token. Of the blocks the last one is shown, which is the nearest to the choice."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in ("token", "probability", "instead", "looked at"):
        table.add_column(title, overflow="fold", justify="right" if title == "probability" else "left")
    for chosen, others, looked_at, _ in tokens:
        cells = [
            chosen.token,
            f"{chosen.probability:.1%}",
            "  ".join(f"{token} {probability:.1%}" for token, probability in others),
            "  ".join(f"{token}@{position} {weight:.0%}" for position, token, weight in looked_at[-1]),
        ]
        table.add_row(*map(Text, cells))
    return table
