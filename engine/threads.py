"""How many threads compute a product of matrices, by OpenBLAS, or a call of a kernel, by `engine/kernels/team.py`.

Not both: OpenBLAS's threads and a team's each watch for work, and would keep the processor from one another. Unless a
program chooses a number (`engine.tune`), OpenBLAS keeps its own, and a kernel runs on one. If it does, they belong to
the kernels where these serve, which then compute large products too.

Read next: `engine/tune.py`.
"""

from __future__ import annotations

from engine.blas import openblas


class _Threads:
    """The state of this process.

    Fields:
        chosen: by the program; None if it has not.
        kernels: whether kernels serve.
    """

    def __init__(self) -> None:
        self.chosen: int | None = None
        self.kernels = False

    def divide(self) -> None:
        """Set OpenBLAS's threads; nothing as long as the program has not chosen."""
        if self.chosen is not None and (library := openblas()) is not None:
            library.threads = 1 if self.kernels else self.chosen


_now = _Threads()


def choose(count: int | None) -> int:
    """So many threads from now on; None stands for the number chosen before, or else OpenBLAS's. Returns the number."""
    library = openblas()
    if count is None:
        count = _now.chosen or (1 if library is None else library.threads)
    _now.chosen = count
    _now.divide()
    return count


def kernels_serve(serve: bool) -> None:
    """Whether kernels serve from now on, to which the threads belong."""
    if _now.kernels != serve:
        _now.kernels = serve
        _now.divide()


def of_kernels() -> int:
    """How many threads share a call of a kernel."""
    return _now.chosen if _now.kernels and _now.chosen is not None else 1
