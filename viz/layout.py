"""Layout and drawing are Graphviz's: this module finds its `dot` program and runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_NAMES = ("dot", "graphviz-pure")  # a system Graphviz first, then the one that comes as a wheel


class NoGraphviz(RuntimeError):  # noqa: N818 (it reads as what it says)
    """There is no program to lay out a graph with."""


def program() -> str:
    """The path of a Graphviz program, from PATH or from beside the running Python.

    Raises NoGraphviz saying what to install.
    """
    beside = [str(Path(sys.executable).parent), sysconfig.get_path("scripts")]
    for name in _NAMES:
        found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(beside))
        if found:
            return found
    raise NoGraphviz(
        "no Graphviz found to draw with: `pip install graphviz-pure`, or install Graphviz so that `dot` runs"
    )


def render(source: str, kind: str) -> bytes:
    """The picture of some DOT source, `kind` being "svg" or "png"."""
    resolution = ["-Gdpi=144"] if kind == "png" else []
    command = [program(), "-Kdot", f"-T{kind}", *resolution]
    done = subprocess.run(command, input=source.encode(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip() or done.returncode}")
    return done.stdout
