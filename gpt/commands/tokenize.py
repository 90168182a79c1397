"""`blameflow tokenize`: show how a text is read, token by token.

Read next: `gpt/commands/evaluate.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from rich.console import Console

from gpt import tokenizers


def options(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run, or a vocabulary: a tokenizer.json, or a folder with vocab.json")
    parser.add_argument("text", help="text to cut into tokens")


def run(args: Namespace, console: Console) -> int:
    """Show the tokens of a text, ␣ for a space and ⏎ for a line end, and below them their ids."""
    tokenizer = tokenizers.read(args.run)
    ids = tokenizer.encode(args.text)
    console.out("|".join(map(tokenizer.show, ids)), highlight=False)
    console.out(" ".join(map(str, ids)), highlight=False)
    return 0
