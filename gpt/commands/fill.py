"""`blameflow fill`: fill the gaps of a text.

Read next: `gpt/commands/tokenize.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gpt import runs
from gpt.commands.flags import whole
from gpt.data.objective import MASK
from gpt.filling import LONGEST, Choice, Fill, fill
from gpt.tokenizers import Tokenizer
from gpt.tokenizers.protocol import shown


def options(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run that was trained with --objective masked")
    parser.add_argument("text", help=f"text with {MASK} in the place of what is missing")
    parser.add_argument(
        "--length",
        type=whole(1),
        nargs="+",
        default=None,
        metavar="N",
        help=f"tokens of each gap (default: 1 to {LONGEST} are tried for a single one, otherwise 1 each)",
    )
    parser.add_argument("--count", type=whole(1), default=3, help="how many others to show (default: %(default)s)")


def run(args: Namespace, console: Console) -> int:
    """Fill the gaps, and show what else could stand there."""
    trained = runs.load(args.run)
    found = fill(trained, args.text, args.length)
    best = found[0]
    console.print(best.text, markup=False, highlight=False)
    if len(found) > 1:
        console.print(_lengths(found[: args.count + 1]))
    console.print(_tokens(best.choices, trained.tokenizer, args.count))
    return 0


def _lengths(found: Sequence[Fill]) -> Table:
    """The best fills, each of another length."""
    table = Table("fill", title=Text("by length, the most certain place filled first"), title_justify="left")
    table.add_column("tokens", justify="right")
    table.add_column("log probability per token", justify="right")
    for one in found:
        table.add_row(Text(shown("".join(one.fills))), str(len(one.choices)), f"{one.score:.4f}")
    return table


def _tokens(choices: Sequence[Choice], tokenizer: Tokenizer, count: int) -> Table:
    """Each token of a fill, its probability when it was chosen, and the likeliest others."""
    table = Table("token", title=Text("tokens, with their probability when they were filled in"), title_justify="left")
    table.add_column("probability", justify="right")
    table.add_column("others")
    for choice in choices:
        order = np.argsort(-choice.log_probabilities, kind="stable")
        others = [int(id) for id in order if id != choice.token][:count]
        table.add_row(
            Text(tokenizer.show(choice.token)),
            f"{np.exp(choice.log_probabilities[choice.token]):.4f}",
            Text("  ".join(f"{tokenizer.show(id)} {np.exp(choice.log_probabilities[id]):.4f}" for id in others)),
        )
    return table
