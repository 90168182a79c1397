"""The work on one part of a batch, its loss and its gradient, and the process that does this for `parallel.py`.

A worker is a Python of its own that imports what it needs and then serves. Nothing of the main program runs in it
again, so a script needs no main guard. It reads batches from its standard input and writes its answers to its standard
output. When the main process ends, however it ends, the worker reads the end of its input, and ends too.

The invariant: a part's result depends on what its task says and on the model, not on the process that computes it. The
state of its random numbers comes with the task and goes back with the result.

Read next: `gpt/training/processes.py`, which starts it.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import engine
from engine import Tensor
from engine.arrays import Array, default_dtype
from engine.backward import gradients
from gpt.errors import TrainingError
from gpt.model import GPT

IMPORTABLE = "move what it is made of from the script into a module that can be imported, or train with one part"

Piece = tuple[Array, Array]  # ids and labels, (batch, time)
State = Mapping[str, Any]  # of a NumPy generator: `rng.bit_generator.state`


class Task(NamedTuple):
    """One part of a batch: its number, its piece, the weight of its loss, and the state its random numbers begin in."""

    part: int
    piece: Piece
    weight: float
    state: State


class Done(NamedTuple):
    """The weighted loss of a part, and the state in which its random numbers ended."""

    loss: float
    state: State


class Start(NamedTuple):
    """What a worker is told first.

    Fields:
        memory: the shared memory, as `shared` takes it.
        shape, dtype: of the array in it: the values of all parameters in row 0, the gradient of part k in row k.
        model: pickled.
    """

    memory: int | str
    shape: tuple[int, int]
    dtype: Any
    model: bytes


class Settings(NamedTuple):
    """Settings of the whole process that a result depends on: a worker works under those of the main process."""

    kernels: str
    dtype: Any

    @classmethod
    def here(cls) -> Settings:
        """Those of this process, now."""
        return cls(engine.kernels.active(), default_dtype())

    def make(self) -> None:
        """Make them in this process."""
        engine.kernels.use(self.kernels)
        engine.set_default_dtype(self.dtype)


def shared(memory: int | str, shape: tuple[int, int], dtype: Any) -> Array:
    """An array in memory shared with other processes: an open file, by its number, or on Windows memory with a name."""
    size = shape[0] * shape[1] * dtype.itemsize
    if sys.platform == "win32":
        mapped = mmap.mmap(-1, size, tagname=str(memory))
    else:
        mapped = mmap.mmap(int(memory), size)
    return np.frombuffer(mapped, dtype).reshape(shape)


def split(flat: Array, parameters: Sequence[Tensor]) -> list[Array]:
    """Views of a flat array in the shapes of the parameters."""
    ends = np.cumsum([p.size for p in parameters])
    return [flat[end - p.size : end].reshape(p.shape) for end, p in zip(ends.tolist(), parameters, strict=True)]


def work(model: GPT, parameters: Sequence[Tensor], tasks: Sequence[Task], rows: Any) -> Any:
    """Compute parts one after the other: returns a list of Done, and puts the gradient of part k into rows[k].

    An error is returned, not raised, so that all processes have answered when it is raised.
    """
    try:
        return [_compute(model, parameters, task, rows[task.part]) for task in tasks]
    except Exception as error:
        return error


@np.errstate(all="ignore")  # what leaves the range of floats shows in the loss
def _compute(model: GPT, parameters: Sequence[Tensor], task: Task, row: Array) -> Done:
    if not task.weight:  # all its labels are ignored, so it has no mean of its own
        row[:] = 0
        return Done(0.0, task.state)
    numbers = engine.random.generator().bit_generator
    before, numbers.state = numbers.state, task.state
    try:
        loss = model.loss(*task.piece)
        found = gradients(loss, parameters, np.full((), task.weight, loss.dtype))
        np.concatenate([g.reshape(-1) for g in found], out=row)
        return Done(task.weight * loss.item(), numbers.state)
    finally:
        numbers.state = before


def serve() -> None:
    """A worker's life: start, then a batch at a time, until the main process has closed the input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which saves
    batches = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a model prints is no answer
    engine.tune()
    try:
        start: Start = pickle.load(batches)
        memory = shared(*start[:3])
        model = _unpickled(start.model)
        while True:
            settings, tasks = pickle.load(batches)
            answers.write(_pickled(_answer(model, memory, settings, tasks)))
    except (EOFError, OSError, pickle.UnpicklingError):
        return  # the main process has ended, perhaps in the middle of a message


def _pickled(answer: Any) -> bytes:
    try:
        pickled = pickle.dumps(answer)
        pickle.loads(pickled)  # some exceptions refuse only here
    except Exception:
        return pickle.dumps(TrainingError(f"{type(answer).__name__} in a worker process: {answer}"))
    return pickled


def _unpickled(model: bytes) -> GPT | TrainingError:
    try:
        unpickled: GPT = pickle.loads(model)
    except Exception as error:
        return TrainingError(f"a worker process cannot load the model: {error}; {IMPORTABLE}")
    return unpickled


def _answer(model: GPT | TrainingError, memory: Array, settings: Settings, tasks: Sequence[Task]) -> Any:
    """What `work` returns, with the parameters that the main process has now."""
    if isinstance(model, TrainingError):
        return model
    settings.make()
    parameters = model.parameters()
    for parameter, value in zip(parameters, split(memory[0], parameters), strict=True):
        parameter.assign(value)
    return work(model, parameters, tasks, memory)
