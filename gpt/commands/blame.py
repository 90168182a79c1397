"""`blameflow blame`: show which stages are to blame for an answer.

Read next: `gpt/commands/report.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from rich.console import Console

from gpt import runs
from gpt.blame import blame
from gpt.commands.flags import whole
from gpt.errors import DataError

PICTURES = (".html", ".svg", ".png", ".dot")


def options(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("--prompt", required=True, help="question, such as 'two plus three equals '")
    parser.add_argument("--target", default=None, help="answer whose loss is traced (default: the model's own)")
    parser.add_argument("--out", default=None, help="picture: .html, .svg, .png or .dot (default: RUN/blame.svg)")
    parser.add_argument("--depth", type=whole(1), default=2, help="how deep to open modules (default: %(default)s)")


def run(args: Namespace, console: Console) -> int:
    """Show which stages are to blame for an answer, as a table and as a picture."""
    out = Path(args.out) if args.out else Path(args.run) / "blame.svg"
    if out.suffix not in PICTURES:
        raise DataError(f"{out}: the picture's name must end in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}")
    if not out.parent.is_dir():
        raise DataError(f"{out}: there is no folder {out.parent}; make it first, or give another --out")
    ask_and_blame(Path(args.run), args.prompt, args.target, out, console, args.depth)
    console.print(f"picture: {out}")
    return 0


def ask_and_blame(path: Path, prompt: str, target: str | None, picture: Path, console: Console, depth: int = 2) -> None:
    """Print the answer and the share of each stage in the blame for it, and draw the picture."""
    traced = blame(runs.load(path), prompt, target)
    console.print(f"{traced.prompt}{traced.target}  (probability {traced.probability:.4f})", markup=False)
    console.print("blame for this answer by stage: whose parameters a step would change to make it likelier")
    console.print(traced.flow.text(depth), markup=False, highlight=False)
    flow = traced.flow.fold(depth, repeats=False)
    if picture.suffix == ".html":
        traced.flow.html(picture)  # the whole flow: the page can open and close modules
    elif picture.suffix == ".png":
        flow.png(picture)
    elif picture.suffix == ".dot":
        picture.write_text(flow.dot(), encoding="utf-8")
    else:
        flow.svg(picture)
