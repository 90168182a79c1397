"""`blameflow eval`: measure a run on data that it was not trained on.

Read next: `gpt/commands/blame.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from rich.console import Console

from gpt import runs
from gpt.commands.flags import whole
from gpt.data import calculator
from gpt.data.calculator import accuracy, exactly_right
from gpt.data.opening import opened
from gpt.generation.generate import generate


def options(parser: ArgumentParser) -> None:
    parser.add_argument("run", help="folder of a run")
    parser.add_argument(
        "--wrong", type=whole(0), default=0, help="also show this many wrong answers (default: %(default)s)"
    )


def run(args: Namespace, console: Console) -> int:
    """Measure exact greedy answers on all held-out problems, or the loss on all of a text's validation data."""
    trained = runs.load(args.run)
    if trained.data.data != "calculator" or not trained.model.config.causal:
        data = opened(trained.data, trained.model.config.block_size, trained.tokenizer)
        print_loss(data.validate(trained.model, whole=True)["loss"], console)
        return 0
    _, held_out = calculator.split()
    right = exactly_right(trained.model, calculator.encode(held_out, trained.tokenizer))
    print_accuracy(accuracy(right, held_out), len(held_out), console)
    if args.wrong:
        for problem in [p for p, good in zip(held_out, right, strict=True) if not good][: args.wrong]:
            answer, _ = generate(trained.model, trained.tokenizer, problem.question)
            console.print(f"  {problem.question}{answer}  (should be {problem.answer})", markup=False)
    return 0


def print_loss(loss: float, console: Console) -> None:
    """One line: the loss on validation data, in nats per token."""
    console.print(f"validation loss {loss:.4f}", highlight=False)


def print_accuracy(accuracy: dict[str, float], count: int, console: Console) -> None:
    """One line: the accuracy of all problems, and of each operation."""
    parts = ", ".join(f"{name} {value:.1%}" for name, value in accuracy.items() if name != "all")
    console.print(f"held-out problems answered exactly, greedy: {accuracy['all']:.1%} of {count:,} ({parts})")
