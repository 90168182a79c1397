"""`blameflow inspect`: show what a model is made of, what it costs, and what its vectors hold.

Read next: `gpt/commands/doctor.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gpt import runs
from gpt.commands.flags import whole
from gpt.files import write_whole
from gpt.inspection.memory import Memory, memory
from gpt.inspection.neighbours import Neighbour, analogy, near
from gpt.inspection.numbers import Numbers, numbers
from gpt.inspection.parts import BACKWARD, Part, parts
from gpt.inspection.picture import picture
from gpt.runs import Run
from gpt.tokenizers import CharTokenizer
from viz.digits import percents

PICTURE = "inspect.svg"
_BESIDE = 3  # neighbours of each character


def options(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run")
    parser.add_argument(
        "--near", default=None, metavar="TOKEN", help="show the tokens with the most similar embeddings"
    )
    parser.add_argument(
        "--analogy", nargs=3, default=None, metavar=("A", "B", "C"), help="show the tokens nearest to A - B + C"
    )
    parser.add_argument("--count", type=whole(1), default=10, help="how many of these (default: %(default)s)")


def run(args: Namespace, console: Console) -> int:
    """Show the neighbours that are asked for; or all there is to know, with a picture in the run's folder."""
    trained = runs.load(args.run)
    if args.near is not None:
        console.print(_neighbours(f"nearest to {args.near!r}", near(trained, args.near, args.count)))
    if args.analogy is not None:
        a, b, c = args.analogy
        console.print(_neighbours(f"{a!r} - {b!r} + {c!r}", analogy(trained, a, b, c, args.count)))
    if args.near is None and args.analogy is None:
        _everything(trained, console)
    return 0


def _everything(trained: Run, console: Console) -> None:
    found = parts(trained.model)
    ordered = numbers(trained) if trained.data.data == "calculator" else None
    console.print(_parts(found))
    _costs(found, memory(trained.model), trained.model.config.block_size, console)
    if ordered is not None:
        _numbers(ordered, console)
    if isinstance(trained.tokenizer, CharTokenizer):
        console.print(_characters(trained))
    else:
        console.print("--near TOKEN shows the tokens most similar to one, --analogy A B C those nearest to A - B + C")
    write_whole(trained.path / PICTURE, picture(found, ordered).encode())
    console.print(f"picture: {trained.path / PICTURE}", markup=False)


def _table(title: str, *columns: str) -> Table:
    """A table; all columns but the first hold numbers."""
    table = Table(title=Text(title), title_justify="left", show_footer=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    return table


def _parts(found: Sequence[Part]) -> Table:
    table = _table("where the parameters live, and the FLOPs of a token", "part", "parameters", "", "FLOPs", "")
    columns = [[part.values for part in found], [part.flops for part in found]]
    totals = [sum(column) for column in columns]
    shares = [percents([size / total for size in column]) for column, total in zip(columns, totals, strict=True)]
    for part, values, flops in zip(found, *shares, strict=True):
        table.add_row(part.name, f"{part.values:,}", values, f"{part.flops:,}", flops)
    table.add_section()
    table.add_row("all", f"{totals[0]:,}", "100%", f"{totals[1]:,}", "100%")
    return table


def _costs(found: Sequence[Part], taken: Memory, block: int, console: Console) -> None:
    forward = sum(part.flops for part in found)
    for line in (
        f"FLOPs for each token of a text of {block:,}: {forward:,} forward, {(1 + BACKWARD) * forward:,} forward and "
        "backward",
        "  counted as in Hoffmann et al. 2022, appendix F, products of matrices only: 2 for a multiplication and its "
        "addition, every position with all others, backward twice forward",
        f"bytes: {taken.parameters:,} of parameters; {taken.training:,} with gradients and the averages of AdamW",
        f"bytes for each token of a text that is continued: {taken.cached:,} of keys and values; "
        f"{block * taken.cached:,} for {block:,} tokens",
    ):
        console.print(line, highlight=False)


def _numbers(ordered: Numbers, console: Console) -> None:
    similar = ordered.similarity
    console.print(
        "the state after 'two', by cosine: "
        + ", ".join(
            f"{similar[2, n]:+.2f} with {word!r}" for n, word in ((3, "three"), (12, "twelve"), (90, "ninety"))
        ),
        highlight=False,
    )
    table = _table(
        "rank correlation of the difference of two numbers with the distance of their states (1: order kept, 0: not)",
        "after block",
        "trained",
        "untrained",
    )
    for number, (trained, untrained) in enumerate(zip(ordered.order, ordered.untrained, strict=True), 1):
        table.add_row(str(number), f"{trained:.3f}", f"{untrained:.3f}")
    console.print(table)


def _characters(trained: Run) -> Table:
    table = _table("characters with the most similar embeddings, and the cosines", "character", *["nearest"] * _BESIDE)
    for character in trained.tokenizer.decode(range(len(trained.tokenizer))):
        found = near(trained, character, _BESIDE)
        cells = [Text(f"{beside.token} {beside.cosine:+.2f}") for beside in found]
        table.add_row(Text(trained.tokenizer.pieces(character)[0]), *cells)
    return table


def _neighbours(title: str, found: Sequence[Neighbour]) -> Table:
    table = _table(title, "token", "cosine")
    for beside in found:
        table.add_row(Text(beside.token), f"{beside.cosine:+.3f}")
    return table
