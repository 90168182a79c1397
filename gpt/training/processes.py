"""The processes that share a training's work: how they are started, spoken to and ended.

Each worker is a new Python, told by its command line where packages are found and to serve
(`gpt/training/worker.py`). They are spoken to through their standard input and output. The memory that all share has no
name in any file system (on Windows, one that is gone with the last process that uses it), so nothing is left behind
when a process is killed.

The invariant: an answer belongs to the batch sent last. Where an exchange breaks off, by Ctrl-C for example, the
workers are ended, so that no answer can be taken for a later one's.

Read next: `gpt/training/parallel.py`.
"""

from __future__ import annotations

import os
import pickle
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import finalize

from engine.blas import openblas
from gpt.errors import TrainingError
from gpt.model import GPT
from gpt.training.worker import IMPORTABLE, Settings, Start, Task, shared


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Some worker processes with a copy of a model each; `memory` is the array that they share with this process.

    Args:
        model: all it is made of must be importable. TrainingError if it cannot be pickled.
        count: of workers.
        shape, dtype: of the memory; see `gpt.training.worker.Start`.
    """

    def __init__(self, model: GPT, count: int, shape: tuple[int, int], dtype: Any) -> None:
        pickled = _pickled(model) if count else b""
        with _unnamed(shape[0] * shape[1] * dtype.itemsize) as memory:
            self.memory = shared(memory, shape, dtype)
            self.processes = [_launched(memory) for _ in range(count)]  # they import at the same time
        self._end = finalize(self, _end, self.processes)
        with self._exchange():
            for process in self.processes:
                _send(process, Start(memory, shape, dtype, pickled))

    @property
    def ended(self) -> bool:
        return not self._end.alive

    def compute(self, shares: Sequence[Sequence[Task]], own: Callable[[], Any]) -> list[Any]:
        """What `own` returns, and each worker's answer to its share of the tasks. There may be fewer than workers."""
        with self._exchange():
            busy = self.processes[: len(shares)]
            for process, share in zip(busy, shares, strict=True):
                _send(process, (Settings.here(), share))
            return [own(), *(pickle.load(process.stdout) for process in busy if process.stdout)]

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._end()
            if isinstance(error, EOFError | OSError | pickle.UnpicklingError):
                died = "a worker process ended unexpectedly; was the machine out of memory?"
                raise TrainingError(died) from None
            raise


def _pickled(model: GPT) -> bytes:
    try:
        return pickle.dumps(model)
    except Exception as error:
        raise TrainingError(f"the model cannot be sent to a worker process: {error}; {IMPORTABLE}") from None


@contextmanager
def _unnamed(size: int) -> Iterator[int | str]:
    """What `shared` needs to map new memory, while the context lasts; what has mapped it keeps it."""
    if sys.platform == "win32":
        yield f"blameflow-{secrets.token_hex(8)}"
    elif hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("blameflow"), "wb") as file:
            file.truncate(size)
            yield file.fileno()
    else:
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            yield file.fileno()


def _launched(memory: int | str) -> subprocess.Popen[bytes]:
    package = str(Path(__file__).resolve().parent.parent)  # where it is, even if it was found in a folder left since
    path = [*map(str, sys.path), package]
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; from gpt.training.worker import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(),
        pass_fds=[memory] if isinstance(memory, int) else [],
        process_group=0,  # a terminal sends Ctrl-C to the main process's group, from the first moment on
    )


def _environment() -> dict[str, str]:
    """This process's, with the kernels and threads that its matrix products have now, so that bits are the same."""
    library = openblas()
    if library is None:
        return dict(os.environ)
    return {**os.environ, "OPENBLAS_CORETYPE": library.core, "OPENBLAS_NUM_THREADS": str(library.threads)}


def _send(process: subprocess.Popen[bytes], message: Any) -> None:
    assert process.stdin is not None
    pickle.dump(message, process.stdin)
    process.stdin.flush()


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Close what the processes read and write, which ends them, and wait until they have ended."""
    for process in processes:
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # there may be something left to write to a process that has died
                if pipe is not None:
                    pipe.close()
    for process in processes:
        process.wait()
