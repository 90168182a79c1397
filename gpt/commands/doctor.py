"""`blameflow doctor`: measure this machine.

Read next: `gpt/report/__init__.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from rich.console import Console

from gpt.doctor import examine


def options(_: ArgumentParser) -> None:
    """It takes none."""


def run(_: Namespace, console: Console) -> int:
    """Measure this machine, and say what to do where it is slow."""
    health = examine()
    for line in health.lines():
        console.print(line, markup=False, highlight=False)
    for sentence in health.advice():
        console.print(f"advice     {sentence}", markup=False, highlight=False)
    return 0
