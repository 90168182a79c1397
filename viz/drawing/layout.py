"""Layout and drawing are done by Graphviz's program `dot`: this module finds it and runs it.

The `graphviz` package builds the source of a picture, but its own call of the program has no time limit and searches
the PATH only. Here a program that hangs is stopped, and the one installed as a wheel is found as well. Pictures that
would take it minutes are refused before, by `viz/drawing/size.py`.

Read next: `viz/page/__init__.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

from graphviz.backend import dot_command

PATIENCE = 60.0  # seconds
_INSTALL = "`pip install graphviz-pure`, or install Graphviz so that `dot` runs"


class NoGraphviz(RuntimeError):  # noqa: N818 (named for its cause)
    """No program can lay out the graph: none was found, or it failed."""


def program() -> str:
    """The path of a Graphviz program: a system's `dot`, else the wheel's, which is installed beside the running Python.

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


def share_program() -> None:
    """Let the `graphviz` package draw with this program too where the PATH has no `dot`, which is all it looks for."""
    if shutil.which("dot") is None:
        with suppress(NoGraphviz):
            dot_command.DOT_BINARY = Path(program())


def render(source: str, kind: str) -> bytes:
    """DOT source drawn by Graphviz; `kind` is "svg", "png" or another of its formats."""
    command = [program(), "-Kdot", f"-T{kind}"]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise NoGraphviz(f"{command[0]} had no picture after {PATIENCE:g} s; fold or prune the flow") from None
    except OSError as error:
        raise NoGraphviz(f"{command[0]} does not start ({error.strerror}): {_INSTALL}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").split("\n")[0].strip()
        if said.startswith("Format:"):
            raise NoGraphviz(
                f"{command[0]} writes no {kind.upper()}; a system's Graphviz does: install it so that `dot` runs"
            )
        raise NoGraphviz(f"{command[0]} failed with status {done.returncode}: {said or 'no message'}")
    return done.stdout
