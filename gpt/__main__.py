"""The command line: `blameflow` or `python -m gpt`; its commands stand in `gpt/commands/`.

An error of the user is one line and exit status 2; an interrupted training is exit status 130.

Read next: `gpt/commands/__init__.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from gpt.commands import Command


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"blameflow: {message}; see {self.prog} --help\n")


def parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """All commands and their options."""
    top = _Parser(prog="blameflow", description="Train a small transformer and see who was to blame.")
    of = top.add_subparsers(dest="command", required=True, metavar=" | ".join(commands))
    for name, command in commands.items():
        command.options(of.add_parser(name, help=command.help))
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
    prepare()  # before NumPy is imported, so what imports NumPy is imported below
    from rich.console import Console

    from gpt.commands import COMMANDS
    from gpt.errors import GPTError
    from viz import NoGraphviz

    args = parser(COMMANDS).parse_args(argv)
    try:
        return COMMANDS[args.command].run(args, Console(soft_wrap=True))
    except (GPTError, NoGraphviz, ValueError, FloatingPointError, OSError) as error:
        print(f"blameflow: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
