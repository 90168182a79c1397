"""The commands of the command line, a file each: `options` says what it takes, and `run` does it and returns a status.

Read next: `gpt/commands/flags.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import NamedTuple

from rich.console import Console

from gpt.commands import blame, doctor, evaluate, fill, inspect, report, sample, tokenize, train


class Command(NamedTuple):
    """One command: what it is for, in a line; what it takes; and what it does, which returns the exit status."""

    help: str
    options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Console], int]


COMMANDS = {
    "train": Command("train on the calculator, then ask it a question and trace the blame", train.options, train.run),
    "sample": Command("continue a prompt", sample.options, sample.run),
    "fill": Command("fill the gaps of a text, each written [MASK]", fill.options, fill.run),
    "tokenize": Command("show the tokens of a text, and their ids", tokenize.options, tokenize.run),
    "eval": Command("measure a run on data that it was not trained on", evaluate.options, evaluate.run),
    "blame": Command("show which stages are to blame for an answer", blame.options, blame.run),
    "report": Command("write report.html into a run's folder again", report.options, report.run),
    "inspect": Command("show what a model is made of, costs and knows", inspect.options, inspect.run),
    "doctor": Command("measure this machine, and say what to do if it is slow", doctor.options, doctor.run),
}
