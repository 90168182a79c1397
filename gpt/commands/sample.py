"""`blameflow sample`: continue a prompt.

Read next: `gpt/commands/tokenize.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import numpy as np
from rich.console import Console

from gpt import runs
from gpt.commands.flags import number, whole
from gpt.sampling import generate


def options(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("--prompt", default="", help="text to continue")
    parser.add_argument("--temperature", type=number, default=0.0, help="0 is greedy (default: %(default)s)")
    parser.add_argument("--count", type=whole(1), default=1, help="how many continuations (default: %(default)s)")
    parser.add_argument("--seed", type=whole(0), default=None, help="for temperatures above 0")


def run(args: Namespace, console: Console) -> int:
    """Continue a prompt, as often as asked."""
    trained = runs.load(args.run)
    rng = np.random.default_rng(args.seed)
    for _ in range(args.count):
        text, probability = generate(
            trained.model, trained.tokenizer, args.prompt, temperature=args.temperature, rng=rng
        )
        console.print(f"{args.prompt}{text}  (probability {probability:.4f})", markup=False)
    return 0
