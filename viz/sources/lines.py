"""lines: a line of the user's source, with the file as the user would name it, and its text.

A file below the current directory is named by its path from there, one of an installed package by its path in it, a
cell of a notebook by its number, any other file by its own name. The text comes from `linecache`, which knows the cells
of a notebook and the examples of a doctest too.

Read next: `viz/sources/engine.py`, the first source.
"""

from __future__ import annotations

import linecache
import sys
from pathlib import Path

from viz.data import Line


def line_at(file: str, number: int) -> Line:
    """The line of this number, from 1, in the file of this name, as a code object has it."""
    return Line(_cell(file) or _short(file), number, linecache.getline(file, number).strip())


def _short(file: str) -> str:
    """The file as the user would name it. What is no path, such as <stdin>, stays as it is."""
    path = Path(file)
    if not path.is_absolute():
        return file
    if "site-packages" in path.parts:
        return str(Path(*path.parts[path.parts.index("site-packages") + 1 :]))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name


def _cell(file: str) -> str:
    """The name that IPython gives a cell in its own messages; empty if the file is no cell."""
    if "IPython" not in sys.modules:
        return ""
    shell = sys.modules["IPython"].get_ipython()
    known = (
        shell.compile.format_code_name(file) if hasattr(getattr(shell, "compile", None), "format_code_name") else None
    )
    return " ".join(known) if known else ""
