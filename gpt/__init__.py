"""A character model on the engine: `gpt.load(run)`, `GPT`, `GPTConfig`, and the command line `blameflow`.

Names are imported when first used, because the command line must choose BLAS kernels before anything imports NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpt.checkpoint import Run, load
    from gpt.model import GPT, GPTConfig

__all__ = ["GPT", "GPTConfig", "Run", "load"]

_HOME = {"GPT": "gpt.model", "GPTConfig": "gpt.model", "Run": "gpt.checkpoint", "load": "gpt.checkpoint"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gpt' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
