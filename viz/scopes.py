"""scopes: note which call of which module makes which node of a graph.

Read next: `viz/sources/__init__.py`, whose backward passes can be watched.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


def scopes(*models: Any) -> AbstractContextManager[None]:
    """Context manager under which the calls of PyTorch modules are noted, for a later `viz.trace`.

        with viz.scopes(model):
            loss = criterion(model(x), y)
        flow = viz.trace(loss)

    Modules of `nn` need it not: they open their scopes themselves.

    Args:
        models: one or more torch.nn.Module. Of several, each is called by the name of its class.
    """
    from viz.sources.torch_scopes import Scopes

    return Scopes(models)
