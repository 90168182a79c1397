"""What each command of the command line does, given its parsed arguments."""

from __future__ import annotations

import time
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from gpt import calculator, checkpoint, report
from gpt.blame import blame as blame_for
from gpt.errors import DataError
from gpt.model import GPT, GPTConfig
from gpt.sampling import accuracy_by, exactly_right, generate
from gpt.training import Progress as Step
from gpt.training import Trainer, TrainingConfig, append_metrics, new_model
from viz import NoGraphviz

QUESTION = "two plus three equals "
BLOCK_SIZE = 64
PICTURES = (".html", ".svg", ".png", ".dot")


def train(args: Namespace, console: Console) -> int:
    """Train on the calculator, measure on all held-out problems, ask a question, trace the blame, and write the report.

    A training that is stopped, by Ctrl-C or by a loss that is not finite, leaves a run and a report too.
    """
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: a file stands where the run's folder should be; give another --out")
    out.mkdir(parents=True, exist_ok=True)
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
    metrics = out / "metrics.jsonl"
    metrics.unlink(missing_ok=True)
    trainer = Trainer(model, settings, learned, held_out, metrics)
    console.print(
        f"calculator: {len(learned):,} problems to learn from, {len(held_out):,} held out; "
        f"{sum(p.size for p in model.parameters()):,} parameters"
    )
    stopped = _train_with_a_line(trainer, console)
    checkpoint.save(out, model, tokenizer, asdict(settings))
    if stopped is not None:
        return _leave(stopped, trainer.optimizer.steps, metrics, console)
    accuracy = trainer.accuracy()
    append_metrics(metrics, {"step": settings.steps, "held_out": accuracy, "problems": len(held_out)})
    _print_accuracy(accuracy, len(held_out), console)
    pictures = ["blame.svg", report.NAME]
    report.write(out)
    try:
        _ask_and_blame(out, QUESTION, None, out / "blame.svg", console)
    except NoGraphviz as missing:
        pictures.remove("blame.svg")
        console.print(f"no blame.svg: {missing}")
    names = ["config.json", "tokenizer.json", "model.safetensors", "metrics.jsonl", *pictures]
    console.print(f"run folder: {out} ({', '.join(names)})")
    return 0


def _leave(stopped: KeyboardInterrupt | FloatingPointError, steps: int, metrics: Path, console: Console) -> int:
    """Write down that the training ended early, and why; the run is saved already."""
    why = "interrupted" if isinstance(stopped, KeyboardInterrupt) else str(stopped)
    append_metrics(metrics, {"step": steps, "stopped": why})
    report.write(metrics.parent)
    ended = "interrupted" if isinstance(stopped, KeyboardInterrupt) else "stopped"
    console.print(f"{ended} after {steps} steps; saved in {metrics.parent}, with {report.NAME}")
    if isinstance(stopped, FloatingPointError):
        raise stopped
    return 130


def _train_with_a_line(trainer: Trainer, console: Console) -> KeyboardInterrupt | FloatingPointError | None:
    """Run to the end under one live line, or a line every ten seconds off a terminal; return what ended it early."""
    pause, shown = (0.2 if console.is_terminal else 10.0), 0.0
    live = Progress(TextColumn("{task.description}"), BarColumn(bar_width=20), console=console, transient=True)
    task = live.add_task("starting", total=trainer.config.steps)
    with live if console.is_terminal else nullcontext():
        try:
            for step in trainer.run():
                now = time.monotonic()
                if now - shown < pause and step.step < step.steps:
                    continue
                shown = now
                if console.is_terminal:
                    live.update(task, completed=step.step, description=_line(step))
                else:
                    console.print(_line(step), highlight=False)
        except (KeyboardInterrupt, FloatingPointError) as stopped:
            return stopped
    return None


def _line(step: Step) -> str:
    minutes, seconds = divmod(round(step.seconds_left), 60)
    accuracy = "-" if step.accuracy is None else f"{step.accuracy:.1%}"
    return (
        f"step {step.step:,}/{step.steps:,}  loss {step.loss:.4f}  held-out {accuracy}  "
        f"{step.tokens_per_second:,.0f} tokens/s  {minutes}:{seconds:02} left"
    )


def _print_accuracy(accuracy: dict[str, float], count: int, console: Console) -> None:
    parts = ", ".join(f"{name} {value:.1%}" for name, value in accuracy.items() if name != "all")
    console.print(f"held-out problems answered exactly, greedy: {accuracy['all']:.1%} of {count:,} ({parts})")


def sample(args: Namespace, console: Console) -> int:
    """Continue a prompt."""
    run = checkpoint.load(args.run)
    rng = np.random.default_rng(args.seed)
    for _ in range(args.count):
        text, probability = generate(run.model, run.tokenizer, args.prompt, temperature=args.temperature, rng=rng)
        console.print(f"{args.prompt}{text}  (probability {probability:.4f})", markup=False)
    return 0


def evaluate(args: Namespace, console: Console) -> int:
    """Measure exact greedy answers on all held-out problems."""
    run = checkpoint.load(args.run)
    _, held_out = calculator.split()
    right = exactly_right(run.model, calculator.encode(held_out, run.tokenizer))
    _print_accuracy(accuracy_by(right, [problem.operation for problem in held_out]), len(held_out), console)
    if args.wrong:
        for problem in [p for p, good in zip(held_out, right, strict=True) if not good][: args.wrong]:
            said, _ = generate(run.model, run.tokenizer, problem.question)
            console.print(f"  {problem.question}{said}  (should be {problem.answer})", markup=False)
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


def _ask_and_blame(
    path: Path, prompt: str, target: str | None, picture: Path, console: Console, depth: int = 2
) -> None:
    verdict = blame_for(checkpoint.load(path), prompt, target)
    console.print(f"{verdict.prompt}{verdict.target}  (probability {verdict.probability:.4f})", markup=False)
    console.print("blame for this answer by stage: whose parameters a step would change to make it likelier")
    console.print(verdict.flow.text(depth), markup=False, highlight=False)
    flow = verdict.flow.fold(depth, repeats=False)
    if picture.suffix == ".html":
        verdict.flow.html(picture)  # the whole flow: there modules open and close
    elif picture.suffix == ".png":
        flow.png(picture)
    elif picture.suffix == ".dot":
        picture.write_text(flow.dot(), encoding="utf-8")
    else:
        flow.svg(picture)
