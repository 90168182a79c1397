"""`blameflow train`: train, measure, ask a question, and write the run.

Read next: `gpt/commands/sample.py`.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as ProgressBar

from gpt import report, runs
from gpt.commands.blame import ask_and_blame
from gpt.commands.evaluate import print_accuracy
from gpt.commands.flags import above_zero, number, whole
from gpt.data import calculator
from gpt.errors import DataError
from gpt.model import GPT, GPTConfig
from gpt.training.trainer import Progress, Trainer, TrainingConfig, append_metrics, new_model
from viz import NoGraphviz

QUESTION = "two plus three equals "
BLOCK_SIZE = 64


def options(parser: ArgumentParser) -> None:
    parser.add_argument("--out", default="runs/calculator", help="folder for the run (default: %(default)s)")
    parser.add_argument("--steps", type=whole(1), default=18000, help="updates (default: %(default)s)")
    parser.add_argument("--batch-size", type=whole(1), default=32, help="problems per update (default: %(default)s)")
    parser.add_argument("--learning-rate", type=above_zero, default=2.5e-3, help="at its peak (default: %(default)s)")
    parser.add_argument("--weight-decay", type=number, default=0.3, help="on matrices (default: %(default)s)")
    parser.add_argument("--layers", type=whole(1), default=2, help="blocks (default: %(default)s)")
    parser.add_argument("--heads", type=whole(1), default=8, help="attention heads (default: %(default)s)")
    parser.add_argument("--width", type=whole(1), default=64, help="channels (default: %(default)s)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of parameters and data order (default: %(default)s)")


def run(args: Namespace, console: Console) -> int:
    """Train on the calculator, measure on all held-out problems, ask a question, trace the blame, and write the report.

    A training that ends early, by Ctrl-C or by a loss that is not finite, saves its run and a report too, with the last
    parameters that gave a finite loss. If the loss was not finite and the folder already holds a run, that run stays,
    and the new one is saved in the folder `unfinished` inside it.
    """
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file, and a run needs a folder; give another --out")
    learned, held_out = calculator.split()
    tokenizer = calculator.tokenizer()
    shape = GPTConfig(
        vocab_size=len(tokenizer),
        block_size=BLOCK_SIZE,
        n_layer=args.layers,
        n_head=args.heads,
        n_embd=args.width,
        positions="rotary",
        rotary_base=100.0,
        activation="relu2",
        tie=False,
    )
    settings = TrainingConfig(
        steps=args.steps,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        seed=args.seed,
    )
    model = new_model(lambda: GPT(shape), settings.seed)
    place = out / "unfinished" if (out / "model.safetensors").exists() else out
    place.mkdir(parents=True, exist_ok=True)
    metrics = place / "metrics.jsonl"
    metrics.unlink(missing_ok=True)
    trainer = Trainer(model, settings, learned, held_out, metrics)
    console.print(
        f"calculator: {len(learned):,} problems to learn from, {len(held_out):,} held out; "
        f"{sum(p.size for p in model.parameters()):,} parameters"
    )
    stopped = _train_with_progress_line(trainer, console)
    if isinstance(stopped, FloatingPointError):
        trainer.go_back()
    elif place != out:
        metrics = metrics.replace(out / metrics.name)
        with suppress(OSError):  # what an earlier training left there stays
            place.rmdir()
    runs.save(metrics.parent, model, tokenizer, asdict(settings), trainer.parallel.states())
    if stopped is not None:
        return _end_early(stopped, trainer.optimizer.steps, metrics, console)
    accuracy = trainer.accuracy()
    append_metrics(metrics, {"step": settings.steps, "held_out": accuracy, "problems": len(held_out)})
    print_accuracy(accuracy, len(held_out), console)
    outputs = ["blame.svg", report.NAME]
    report.write(out)
    try:
        ask_and_blame(out, QUESTION, None, out / "blame.svg", console)
    except NoGraphviz as missing:
        outputs.remove("blame.svg")
        console.print(f"no blame.svg: {missing}")
    names = ["config.json", "tokenizer.json", "model.safetensors", "metrics.jsonl", *outputs]
    console.print(f"run folder: {out} ({', '.join(names)})")
    return 0


def _end_early(stopped: KeyboardInterrupt | FloatingPointError, steps: int, metrics: Path, console: Console) -> int:
    """Add to the metrics that the training ended early, and why; the run is saved already."""
    why = "interrupted" if isinstance(stopped, KeyboardInterrupt) else str(stopped)
    append_metrics(metrics, {"step": steps, "stopped": why})
    report.write(metrics.parent)
    ended = "interrupted" if isinstance(stopped, KeyboardInterrupt) else "stopped"
    console.print(f"{ended} after {steps} steps; saved in {metrics.parent}, with {report.NAME}")
    if isinstance(stopped, FloatingPointError):
        raise stopped
    return 130


def _train_with_progress_line(trainer: Trainer, console: Console) -> KeyboardInterrupt | FloatingPointError | None:
    """Train with one live line of progress, or off a terminal a line every ten seconds; return what ended it early."""
    pause, shown = (0.2 if console.is_terminal else 10.0), 0.0
    live = ProgressBar(TextColumn("{task.description}"), BarColumn(bar_width=20), console=console, transient=True)
    task = live.add_task("starting", total=trainer.config.steps)
    stopped: KeyboardInterrupt | FloatingPointError | None = None
    with live if console.is_terminal else nullcontext():
        try:
            for progress in trainer.all_steps():
                now = time.monotonic()
                if now - shown < pause and progress.step < progress.steps:
                    continue
                shown = now
                if console.is_terminal:
                    live.update(task, completed=progress.step, description=_line(progress))
                else:
                    console.print(_line(progress), highlight=False)
        except (KeyboardInterrupt, FloatingPointError) as error:
            stopped = error
    if not isinstance(stopped, FloatingPointError):
        try:
            trainer.check()  # the last update may have spoiled the parameters
        except FloatingPointError as error:
            stopped = error
    return stopped


def _line(progress: Progress) -> str:
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    accuracy = "-" if progress.accuracy is None else f"{progress.accuracy:.1%}"
    return (
        f"step {progress.step:,}/{progress.steps:,}  loss {progress.loss:.4f}  held-out {accuracy}  "
        f"{progress.tokens_per_second:,.0f} tokens/s  {minutes}:{seconds:02} left"
    )
