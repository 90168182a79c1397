"""The commands of the command line, each a function of its parsed arguments.

Read next: `gpt/report/__init__.py`.
"""

from __future__ import annotations

import time
from argparse import Namespace
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as ProgressBar

from gpt import calculator, report, runs
from gpt.blame import blame as blame_for
from gpt.doctor import examine
from gpt.errors import DataError
from gpt.model import GPT, GPTConfig
from gpt.sampling import accuracy_by, exactly_right, generate
from gpt.training import Progress, Trainer, TrainingConfig, append_metrics, new_model
from viz import NoGraphviz

QUESTION = "two plus three equals "
BLOCK_SIZE = 64
PICTURES = (".html", ".svg", ".png", ".dot")


def train(args: Namespace, console: Console) -> int:
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
    _print_accuracy(accuracy, len(held_out), console)
    outputs = ["blame.svg", report.NAME]
    report.write(out)
    try:
        _ask_and_blame(out, QUESTION, None, out / "blame.svg", console)
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


def _print_accuracy(accuracy: dict[str, float], count: int, console: Console) -> None:
    parts = ", ".join(f"{name} {value:.1%}" for name, value in accuracy.items() if name != "all")
    console.print(f"held-out problems answered exactly, greedy: {accuracy['all']:.1%} of {count:,} ({parts})")


def sample(args: Namespace, console: Console) -> int:
    """Continue a prompt."""
    run = runs.load(args.run)
    rng = np.random.default_rng(args.seed)
    for _ in range(args.count):
        text, probability = generate(run.model, run.tokenizer, args.prompt, temperature=args.temperature, rng=rng)
        console.print(f"{args.prompt}{text}  (probability {probability:.4f})", markup=False)
    return 0


def evaluate(args: Namespace, console: Console) -> int:
    """Measure exact greedy answers on all held-out problems."""
    run = runs.load(args.run)
    _, held_out = calculator.split()
    right = exactly_right(run.model, calculator.encode(held_out, run.tokenizer))
    _print_accuracy(accuracy_by(right, [problem.operation for problem in held_out]), len(held_out), console)
    if args.wrong:
        for problem in [p for p, good in zip(held_out, right, strict=True) if not good][: args.wrong]:
            answer, _ = generate(run.model, run.tokenizer, problem.question)
            console.print(f"  {problem.question}{answer}  (should be {problem.answer})", markup=False)
    return 0


def blame(args: Namespace, console: Console) -> int:
    """Show which stages are to blame for an answer, as a table and as a picture."""
    out = Path(args.out) if args.out else Path(args.run) / "blame.svg"
    if out.suffix not in PICTURES:
        raise DataError(f"{out}: the picture's name must end in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}")
    if not out.parent.is_dir():
        raise DataError(f"{out}: there is no folder {out.parent}; make it first, or give another --out")
    _ask_and_blame(Path(args.run), args.prompt, args.target, out, console, args.depth)
    console.print(f"picture: {out}")
    return 0


def write_report(args: Namespace, console: Console) -> int:
    """Write the report of a run again."""
    console.print(f"report: {report.write(args.run)}")
    return 0


def doctor(_: Namespace, console: Console) -> int:
    """Measure this machine, and say what to do where it is slow."""
    health = examine()
    for line in health.lines():
        console.print(line, markup=False, highlight=False)
    for sentence in health.advice():
        console.print(f"advice     {sentence}", markup=False, highlight=False)
    return 0


def _ask_and_blame(
    path: Path, prompt: str, target: str | None, picture: Path, console: Console, depth: int = 2
) -> None:
    traced = blame_for(runs.load(path), prompt, target)
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
