"""A module in words: its tree, and a table of where its parameters live."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nn.module import Module


def tree(module: Module, indent: str = "") -> str:
    """The nested representation that `print(model)` shows."""
    head = f"{type(module).__name__}({module.extra_repr()}"
    lines = [f"{indent}  ({name}): {tree(child, indent + '  ')}" for name, child in module.children()]
    return "\n".join([head, *lines, f"{indent})"]) if lines else head + ")"


def summary(module: Module) -> str:
    """One line per parameter, grouped by the path of its module: shape, number of values, share of the whole."""
    rows = [(path, str(value.shape), value.size) for path, value in module.named_parameters()]
    total = sum(size for _, _, size in rows)
    width = max([len(path) for path, _, _ in rows] + [len("parameter")])
    shape_width = max([len(shape) for _, shape, _ in rows] + [len("shape")])
    lines = [f"{'parameter':<{width}}  {'shape':<{shape_width}}  {'values':>10}  {'share':>6}"]
    lines += [
        f"{path:<{width}}  {shape:<{shape_width}}  {size:>10,}  {size / total:>6.1%}" for path, shape, size in rows
    ]
    lines.append(f"{'total':<{width}}  {'':<{shape_width}}  {total:>10,}")
    return "\n".join(lines)
