"""Calls: the scope that a call of a module opens, so that every node remembers which part of the model recorded it.

The outermost call walks the model it belongs to and gives every call inside it the paths. A call adds to the scope what
its path has beyond that of the module whose `forward` it stands in. Where it has nothing more (a module that calls
itself, or one that another part of the model holds), the scope is that of its own path.

The invariant: below the scope of the outermost call, the scope of a node is the path of the module that recorded it,
and any scopes that the user opened there.

Read next: `nn/state.py`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from engine.recording import ScopeName, changed, current
from nn.paths import Path, Walk, walk

Running = tuple[Walk, Path, tuple[str, ...]]  # the walk that knows the path of the running module, the path, the scope

_running: ContextVar[Running | None] = ContextVar("running", default=None)


def call(module: Any, name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """`module.forward(*args, **keywords)` in the scope of the module; of `name` if no module above it is running."""
    now = current()
    running, scope = _running.get(), now.scope
    if running is None or id(module) not in running[0].path:
        running = walk(module, name), (), scope
    model, above, outside = running
    path = model.path[id(module)]
    if path[: len(above)] == above and len(path) > len(above):
        new = path[len(above) :]
    else:
        shared = 0  # names that both paths begin with; the last one is a new call in any case
        while shared < len(path) - 1 and path[: shared + 1] == above[: shared + 1]:
            shared += 1
        scope, new = outside[: len(outside) - len(above) + shared], path[shared:]
    scope = (*scope, *map(ScopeName, new))
    token = _running.set((model, path, scope))
    try:
        if not scope:
            return module.forward(*args, **keywords)
        with changed(scope=scope):
            return module.forward(*args, **keywords)
    finally:
        _running.reset(token)
