"""scopes: note which call of which module makes which node of a graph.

Read next: `viz/sources/__init__.py`, whose backward passes can be watched.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from viz.checks import is_a


def scopes(*models: Any, lines: bool = False) -> AbstractContextManager[None]:
    """Context manager under which the calls of PyTorch modules are noted, for a later `viz.trace`.

        with viz.scopes(model):
            loss = criterion(model(x), y)
        flow = viz.trace(loss)

    Modules of `nn` need it not: they open their scopes themselves.

    Args:
        models: one or more torch.nn.Module. Of several, each is called by the name of its class.
        lines: note the line of source that made each node as well, which is slow: a traceback for every node.
    """
    for model in models:
        if not is_a(model, "torch.nn", "Module"):
            raise TypeError(f"scopes: give modules of PyTorch, not {type(model).__name__}")
    if not models:
        raise TypeError("scopes: give the model whose calls are to be noted, as in scopes(model)")
    from viz.sources.torch_scopes import Scopes

    return Scopes(models, lines)
