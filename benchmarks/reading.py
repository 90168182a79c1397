"""How much source one multiplication runs through, forward and backward: what somebody has to read to follow it.

    python benchmarks/reading.py

Counted by tracing: the lines that are executed, each once, the files they stand in, and the concepts, which are classes
(with their methods) and functions outside of classes. Ours, and autograd and micrograd where they are installed.
The functions that a plan writes out count as a concept, and have no file.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


class Reading(NamedTuple):
    """The lines executed, the files they stand in, and the concepts they belong to."""

    lines: set[tuple[str, int]]
    files: list[str]
    concepts: list[str]


def reading(package: str, program: Callable[[], Any]) -> Reading:
    """What of a package's source a program runs through."""
    folder = Path(str(importlib.import_module(package).__file__)).parent
    lines: set[tuple[str, int]] = set()
    files: dict[str, None] = {}  # in the order of first use
    concepts: dict[str, None] = {}

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        path, name = frame.f_code.co_filename, frame.f_code.co_qualname
        if path == "<plan>":
            concepts["functions of a plan"] = None
            return None
        if not path.startswith(str(folder)):
            return None
        file = str(Path(path).relative_to(folder))
        if event == "line":
            lines.add((file, frame.f_lineno))
        files[file] = None
        concepts[f"{file}: {name.partition('.')[0]}"] = None
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        program()
    finally:
        sys.settrace(before)
    return Reading(lines, list(files), list(concepts))


def blameflow() -> Callable[[], Any]:
    from engine import Tensor

    x, y = Tensor(2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    return lambda: (x * y).backward()


def autograd() -> Callable[[], Any]:
    import autograd
    import numpy as np

    gradient = autograd.grad(lambda x: x * 3.0)
    return lambda: gradient(np.array(2.0))


def micrograd() -> Callable[[], Any]:
    from micrograd.engine import Value

    x, y = Value(2.0), Value(3.0)
    return lambda: (x * y).backward()


CONTESTANTS = {"engine": blameflow, "autograd": autograd, "micrograd": micrograd}


def main() -> None:
    for package, contestant in CONTESTANTS.items():
        try:
            program = contestant()
        except ImportError:
            print(f"{package:>10}: not installed")
            continue
        program()  # the first call may import or prepare something
        found = reading(package, contestant())
        print(f"{package:>10}: {len(found.lines)} lines, {len(found.files)} files, {len(found.concepts)} concepts")
        for concept in found.concepts:
            print(f"            {concept}")


if __name__ == "__main__":
    main()
