"""A module as text: the tree of its submodules, and a table of its parameters.

Read next: `nn/containers.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine import Tensor


def tree(kind: str, settings: str, children: Iterable[tuple[str, str]]) -> str:
    """The nested representation that `print(model)` shows, from the names of the children and their representations."""
    head = f"{kind}({settings}"
    lines = [f"  ({name}): {text}".replace("\n", "\n  ") for name, text in children]
    return "\n".join([head, *lines, ")"]) if lines else head + ")"


def table(parameters: Iterable[tuple[str, Tensor]]) -> str:
    """One line per parameter, given with its path: shape, number of values, share of all values."""
    rows = [(path, str(value.shape), value.size) for path, value in parameters]
    total = sum(size for _, _, size in rows)
    width = max([len(path) for path, _, _ in rows] + [len("parameter")])
    shape_width = max([len(shape) for _, shape, _ in rows] + [len("shape")])
    lines = [f"{'parameter':<{width}}  {'shape':<{shape_width}}  {'values':>10}  {'share':>6}"]
    lines += [
        f"{path:<{width}}  {shape:<{shape_width}}  {size:>10,}  {size / max(total, 1):>6.1%}"
        for path, shape, size in rows
    ]
    lines.append(f"{'total':<{width}}  {'':<{shape_width}}  {total:>10,}")
    return "\n".join(lines)
