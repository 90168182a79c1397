"""`blameflow sample`: continue a prompt.

Read next: `gpt/commands/evaluate.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console

from gpt import runs
from gpt.commands.flags import above_zero, number, whole
from gpt.generation.generate import LIMIT, generate_batch, stream


def options(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("--prompt", default="", help="text to continue")
    parser.add_argument("--temperature", type=number, default=0.0, help="0 is greedy (default: %(default)s)")
    parser.add_argument("--top-k", type=whole(1), help="draw from so many of the likeliest tokens only")
    parser.add_argument("--top-p", type=above_zero, help="draw from the likeliest tokens that have this probability")
    parser.add_argument("--count", type=whole(1), default=1, help="how many continuations (default: %(default)s)")
    parser.add_argument("--seed", type=whole(0), default=None, help="for temperatures above 0")
    parser.add_argument("--limit", type=whole(0), default=LIMIT, help="most tokens of a text (default: %(default)s)")
    parser.add_argument(
        "--stop",
        metavar="TEXT",
        action="append",
        help="a text ends before this; may be given again; '' for no end but the limit (default: the line end)",
    )
    parser.add_argument("--stream", action="store_true", help="show each piece of a text as soon as it is certain")


def run(args: Namespace, console: Console) -> int:
    """Continue a prompt, as often as asked."""
    trained = runs.load(args.run)
    settings: dict[str, Any] = {name: getattr(args, name) for name in ("temperature", "top_k", "top_p", "limit")}
    settings["stop"] = "\n" if args.stop is None else [stop for stop in args.stop if stop]
    rng = np.random.default_rng(args.seed)
    if args.stream:
        for own in rng.spawn(args.count):
            _show(args.prompt, stream(trained.model, trained.tokenizer, args.prompt, rng=own, **settings), console)
        return 0
    found = generate_batch(trained.model, trained.tokenizer, args.prompt, args.count, rng=rng, **settings)
    for text, probability in found:
        console.out(f"{args.prompt}{text}  (probability {probability:.4f})", highlight=False)
    return 0


def _show(prompt: str, pieces: Iterator[str], console: Console) -> None:
    """Print a text as its pieces come; an interrupted one keeps its line."""
    console.out(prompt, end="", highlight=False)
    try:
        for piece in pieces:
            console.out(piece, end="", highlight=False)
            console.file.flush()
    finally:
        console.out()
