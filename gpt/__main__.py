"""The command line: `blameflow` or `python -m gpt`, with the commands train, sample, eval, blame, report and doctor.

An error of the user is one line and exit status 2; an interrupted training is exit status 130.

Read next: `gpt/commands.py`.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from typing import NoReturn


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"blameflow: {message}; see {self.prog} --help\n")


def _whole(least: int) -> Callable[[str], int]:
    """Reads a whole number of at least `least`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {value}")
        return value

    return read


def _number(text: str) -> float:
    """Reads a finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be finite and not negative, and is {value:g}")
    return value


def _above_zero(text: str) -> float:
    """Reads a finite number above 0."""
    value = _number(text)
    if not value:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = _Parser(prog="blameflow", description="Train a small transformer and see who was to blame.")
    commands = top.add_subparsers(
        dest="command", required=True, metavar="train | sample | eval | blame | report | doctor"
    )

    train = commands.add_parser("train", help="train on the calculator, then ask it a question and trace the blame")
    train.add_argument("--out", default="runs/calculator", help="folder for the run (default: %(default)s)")
    train.add_argument("--steps", type=_whole(1), default=18000, help="updates (default: %(default)s)")
    train.add_argument("--batch-size", type=_whole(1), default=32, help="problems per update (default: %(default)s)")
    train.add_argument("--learning-rate", type=_above_zero, default=2.5e-3, help="at its peak (default: %(default)s)")
    train.add_argument("--weight-decay", type=_number, default=0.3, help="on matrices (default: %(default)s)")
    train.add_argument("--layers", type=_whole(1), default=2, help="blocks (default: %(default)s)")
    train.add_argument("--heads", type=_whole(1), default=8, help="attention heads (default: %(default)s)")
    train.add_argument("--width", type=_whole(1), default=64, help="channels (default: %(default)s)")
    train.add_argument("--seed", type=_whole(0), default=0, help="of parameters and data order (default: %(default)s)")

    sample = commands.add_parser("sample", help="continue a prompt")
    sample.add_argument("run", help="folder of a run")
    sample.add_argument("--prompt", default="", help="text to continue")
    sample.add_argument("--temperature", type=_number, default=0.0, help="0 is greedy (default: %(default)s)")
    sample.add_argument("--count", type=_whole(1), default=1, help="how many continuations (default: %(default)s)")
    sample.add_argument("--seed", type=_whole(0), default=None, help="for temperatures above 0")

    evaluate = commands.add_parser("eval", help="measure exact answers on all held-out problems")
    evaluate.add_argument("run", help="folder of a run")
    evaluate.add_argument(
        "--wrong", type=_whole(0), default=0, help="also show this many wrong answers (default: %(default)s)"
    )

    blame = commands.add_parser("blame", help="show which stages are to blame for an answer")
    blame.add_argument("run", help="folder of a run")
    blame.add_argument("--prompt", required=True, help="question, such as 'two plus three equals '")
    blame.add_argument("--target", default=None, help="answer whose loss is traced (default: the model's own)")
    blame.add_argument("--out", default=None, help="picture: .html, .svg, .png or .dot (default: RUN/blame.svg)")
    blame.add_argument("--depth", type=_whole(1), default=2, help="how deep to open modules (default: %(default)s)")

    report = commands.add_parser("report", help="write report.html into a run's folder again")
    report.add_argument("run", help="folder of a run")

    commands.add_parser("doctor", help="measure this machine, and say what to do if it is slow")
    return top


def prepare() -> None:
    """The settings of this process, and of those it starts.

    Training splits each batch over processes, which is faster than threads inside each product. Both would compete for
    the cores, so products get one thread, unless the user has said otherwise.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import engine

    engine.tune()


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    args = parser().parse_args(argv)
    prepare()  # before NumPy is imported, so what imports NumPy is imported below
    from rich.console import Console

    from gpt import commands
    from gpt.errors import GPTError
    from viz import NoGraphviz

    handlers = {
        "train": commands.train,
        "sample": commands.sample,
        "eval": commands.evaluate,
        "blame": commands.blame,
        "report": commands.write_report,
        "doctor": commands.doctor,
    }
    console = Console(soft_wrap=True)
    try:
        return handlers[args.command](args, console)
    except (GPTError, NoGraphviz, ValueError, FloatingPointError, OSError) as error:
        print(f"blameflow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
