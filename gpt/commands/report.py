"""`blameflow report`: write the report of a run again.

Read next: `gpt/commands/inspect.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from rich.console import Console

from gpt import report


def options(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run")


def run(args: Namespace, console: Console) -> int:
    """Write the report of a run again."""
    console.print(f"report: {report.write(args.run)}")
    return 0
