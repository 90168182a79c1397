"""A character model on the engine: `GPT`, `GPTConfig`, `gpt.load`, `gpt.generate`, and the command line `blameflow`.

Names are imported when first used, because the command line must choose BLAS kernels before anything imports NumPy.

Read next: `gpt/data/__init__.py`, what a model is trained on.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpt.generation.generate import generate
    from gpt.model import GPT, GPTConfig
    from gpt.runs import Run, load

__all__ = ["GPT", "GPTConfig", "Run", "generate", "load"]

_MODULES = {
    "GPT": "gpt.model",
    "GPTConfig": "gpt.model",
    "Run": "gpt.runs",
    "generate": "gpt.generation.generate",
    "load": "gpt.runs",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'gpt' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
