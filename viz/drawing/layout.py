"""Layout and drawing are Graphviz's: this module finds its `dot` program and runs it.

A program that hangs is stopped. What would take it minutes is not begun: see `viz/drawing/size.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PATIENCE = 60.0  # seconds
_INSTALL = "`pip install graphviz-pure`, or install Graphviz so that `dot` runs"


class NoGraphviz(RuntimeError):  # noqa: N818 (it reads as what it says)
    """There is no program that can lay out the graph: none was found, or it failed."""


def program() -> str:
    """The path of a Graphviz program: a system's `dot`, else the one that comes as a wheel, beside the running Python.

    Raises NoGraphviz saying what to install.
    """
    beside = os.pathsep.join([str(Path(sys.executable).parent), sysconfig.get_path("scripts")])
    found = (
        shutil.which("dot")
        or shutil.which("dot", path=beside)
        or shutil.which("graphviz-pure", path=beside)
        or shutil.which("graphviz-pure")
    )
    if found is None:
        raise NoGraphviz(f"no Graphviz found to draw with: {_INSTALL}")
    return found


def render(source: str, kind: str) -> bytes:
    """What Graphviz makes of some DOT source, `kind` being "svg", "png" or another of its formats."""
    resolution = ["-Gdpi=144"] if kind == "png" else []
    command = [program(), "-Kdot", f"-T{kind}", *resolution]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise NoGraphviz(f"{command[0]} had no picture after {PATIENCE:g} s; fold or prune the flow") from None
    except OSError as error:
        raise NoGraphviz(f"{command[0]} does not start ({error.strerror}): {_INSTALL}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").split("\n")[0].strip()
        raise NoGraphviz(f"{command[0]} failed with status {done.returncode}: {said or 'it says nothing'}")
    return done.stdout
