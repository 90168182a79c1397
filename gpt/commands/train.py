"""`blameflow train`: train, measure, show what the model can do, and write the run.

Read next: `gpt/commands/sample.py`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import closing, nullcontext, suppress
from pathlib import Path

import numpy as np
from rich.console import Console

from gpt import report
from gpt.blame import blame
from gpt.commands import settings
from gpt.commands.blame import ask_and_blame
from gpt.commands.evaluate import print_accuracy, print_loss
from gpt.commands.events import EVENTS, Events
from gpt.commands.progress import Line, stoppable
from gpt.data.exercise import Exercise
from gpt.data.objective import MASK
from gpt.data.text import Text
from gpt.errors import DataError
from gpt.filling import fill
from gpt.generation.generate import generate
from gpt.runs import CONFIG, LAST, METRICS, MODEL, TOKENIZER
from gpt.training import session
from gpt.training.metrics import append
from gpt.training.session import Session
from viz import NoGraphviz

PICTURE = "blame.svg"
_SAMPLE = 100  # tokens of a sample
_GAP = 3  # tokens that are hidden of one


def options(parser: ArgumentParser) -> None:
    parser.add_argument("--out", default=None, help="folder for the run (default: runs/ and the name of the data)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the folder, if any")
    parser.add_argument("--tensorboard", action="store_true", help=f"also write the measurements to RUN/{EVENTS}")
    settings.options(parser)


def run(args: Namespace, console: Console) -> int:
    """Train, and save the run; then measure what was kept for the end, show an example and its blame, and report.

    A training that is stopped by Ctrl-C saves its checkpoint and its run. One whose loss is not finite saves the best
    parameters so far, and its last checkpoint stays.
    """
    own = settings.given(args)
    out = Path(args.out or f"runs/{Path(own.get('data', 'calculator')).stem}")
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file, and a run needs a folder; give another --out")
    training = _resumed(out, own, console) if args.resume else None
    training = training or session.begun(out, settings.complete(own))
    console.print(
        f"{training.data.about}; {sum(p.size for p in training.trainer.model.parameters()):,} parameters",
        highlight=False,
    )
    with (
        closing(Events(training.out / EVENTS, training.trainer.steps)) if args.tensorboard else nullcontext() as events
    ):
        status = _train(training, console, events)
    return _finish(training, console) if status is None else status


def _resumed(out: Path, own: settings.Given, console: Console) -> Session | None:
    """The training in a folder, where it stands; None if there is no checkpoint yet."""
    place = session.standing(out)
    if place is None:
        console.print(f"{out}: no checkpoint yet, so the training begins", markup=False, highlight=False)
        return None
    kept = session.settings_of(place)
    settings.refuse_changes(own, kept)
    training = session.resumed(out, place, own.get("data"), own.get("steps"))
    for warning in training.warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False)
    before, steps = kept["training"]["steps"], training.trainer.config.steps
    longer = f"; the learning rate follows {steps:,} steps from here on, not {before:,}" if steps != before else ""
    console.print(f"goes on after step {training.trainer.steps:,} of {steps:,}{longer}", markup=False, highlight=False)
    return training


def _train(training: Session, console: Console, events: Events | None) -> int | None:
    """Train to the end, with checkpoints on the way; the exit status if it ended early."""
    trainer, every = training.trainer, training.trainer.config.checkpoint_every
    line = Line(console, trainer.config.steps)
    try:
        with stoppable() as stop, line.live():
            for progress in trainer.all_steps():
                line.show(progress)
                if events is not None:
                    events.add(progress)
                if progress.validation is not None:
                    _look(training, console)
                if progress.step % every == 0 or progress.step == progress.steps or trainer.tired or stop.asked:
                    training.save()
                if stop.asked and progress.step < progress.steps:
                    return _ended(training, "interrupted", console)
    except FloatingPointError as error:
        trainer.go_back()
        training.save_run()
        _ended(training, str(error), console)
        raise
    return None


def _ended(training: Session, why: str, console: Console) -> int:
    """Add to the metrics that the training ended early, and why; the run is saved already."""
    steps = training.trainer.steps
    append(training.place / METRICS, {"step": steps, "stopped": why})
    report.write(training.place)
    said = "interrupted" if why == "interrupted" else "stopped"
    how = "; --resume goes on from there" if why == "interrupted" else ""
    console.print(f"{said} after {steps} steps; saved in {training.place}, with {report.NAME}{how}", markup=False)
    return 130


def _look(training: Session, console: Console) -> None:
    """Show what the model does by now: what it says to a prompt; at the first measurement also the blame for it."""
    trainer, data = training.trainer, training.data
    prompt, said = _sample(training)
    append(training.place / METRICS, {"step": trainer.steps, "prompt": prompt, "sample": said})
    continues = data.config.objective == "next"
    shown = f"{prompt if continues else ''}{said}".replace("\n", "⏎")
    console.print(f"step {trainer.steps:,}: {shown}", markup=False, highlight=False)
    picture = training.place / PICTURE
    if isinstance(data, Exercise) and continues and not picture.exists():
        with suppress(NoGraphviz):
            blame(training.run(), data.prompt).flow.fold(2, repeats=False).svg(picture)
            console.print(f"a first picture of the blame for this answer: {picture}", markup=False, highlight=False)


def _sample(training: Session) -> tuple[str, str]:
    """A prompt and what the model makes of it, the same for the same parameters."""
    model, data, rng = training.trainer.model, training.data, np.random.default_rng(0)
    model.eval()
    try:
        if data.config.objective == "masked":
            prompt = _with_a_gap(data)
            return prompt, fill(training.run(), prompt)[0].text
        if isinstance(data, Exercise):
            return data.prompt, generate(model, training.tokenizer, data.prompt).text
        text, _ = generate(model, training.tokenizer, data.prompt, temperature=0.8, limit=_SAMPLE, stop=(), rng=rng)
        return data.prompt, text
    finally:
        model.train()


def _with_a_gap(data: Exercise | Text) -> str:
    """A text that is not trained on, its middle hidden."""
    text = data.prompt if isinstance(data, Text) else data.validation[0].question + data.validation[0].answer
    ids = data.tokenizer.encode(text)
    start = len(ids) // 2
    before, after = ids[:start], ids[start + _GAP :]
    return data.tokenizer.decode(before) + MASK * len(ids[start : start + _GAP]) + data.tokenizer.decode(after)


def _finish(training: Session, console: Console) -> int:
    """Measure the best parameters once more, and write what shows the run."""
    trainer, data = training.trainer, training.data
    trainer.go_back()
    trainer.model.eval()
    path = training.place / METRICS
    if trainer.tired and trainer.best:
        best = trainer.best
        console.print(f"stopped early: {best.followed} measurements were no better than that at step {best.step:,}")
    if isinstance(data, Exercise) and data.config.objective == "next":
        accuracy = data.final(trainer.model)
        append(path, {"step": trainer.steps, "held_out": accuracy, "problems": len(data.held_out)})
        print_accuracy(accuracy, len(data.held_out), console)
    else:
        loss = data.validate(trainer.model, whole=True)["loss"]
        measured = {} if isinstance(data, Exercise) else {"tokens": data.measured}
        append(path, {"step": trainer.steps, "final": {"loss": loss, **measured}})
        print_loss(loss, console)
    training.move()
    outputs = [CONFIG, TOKENIZER, MODEL, LAST, METRICS, report.write(training.out).name]
    if data.config.objective == "next" and isinstance(data, Exercise):
        try:
            ask_and_blame(training.out, data.prompt, None, training.out / PICTURE, console)
            outputs.append(PICTURE)
        except NoGraphviz as missing:
            console.print(f"no {PICTURE}: {missing}")
    console.print(f"run folder: {training.out} ({', '.join(outputs)})", markup=False)
    return 0
