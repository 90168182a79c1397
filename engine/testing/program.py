"""A program as plain data: inputs, and steps that each call one op of the engine on values made before.

Values are identified by numbers, inputs first, so steps can be counted, compared, dropped and renumbered. The same data
has two uses: calling the program runs it, and printing it gives a Python function that can be pasted.

>>> x = Value(0)
>>> square = Program(shapes=((2,),), steps=(Step("multiply", (x, x)), Step("sum", (Value(1),), {"axis": 0})))
>>> square
def program(x0):  # of shape (2,)
    v0 = engine.multiply(x0, x0)
    return engine.sum(v0, axis=0)
>>> square(engine.Tensor([3.0, 4.0]))
Tensor(25.)

Read next: `engine/testing/programs.py`, which draws programs at random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import engine

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """A value of the program by its number: the inputs first, then the results of the steps."""

    number: int


@dataclass(frozen=True)
class Step:
    """One call of an op.

    Fields:
        op: its name in `engine`.
        operands: its positional arguments: values, lists of values, constants.
        options: its keyword arguments.
    """

    op: str
    operands: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, values: Sequence[Any]) -> Any:
        """The result, given all values before this step."""
        return getattr(engine, self.op)(*_replaced(self.operands, values.__getitem__), **self.options)

    def source(self, names: Sequence[str]) -> str:
        """The call as Python source, given the names of all values before this step."""
        operands = [_shown(operand, names) for operand in self.operands]
        return f"engine.{self.op}({', '.join([*operands, *(f'{k}={v!r}' for k, v in self.options.items())])})"

    def on(self, numbers: Sequence[int] | dict[int, int]) -> Step:
        """The same call on other values: value k becomes value numbers[k]."""
        return Step(self.op, _replaced(self.operands, lambda number: Value(numbers[number])), self.options)

    def uses(self) -> list[int]:
        """The numbers of the values it uses, repeated if used repeatedly."""
        used: list[int] = []
        _replaced(self.operands, used.append)
        return used


@dataclass(frozen=True, repr=False)
class Program:
    """A function of arrays: steps that run in order; it returns the last value."""

    shapes: tuple[Shape, ...]
    steps: tuple[Step, ...]

    def __call__(self, *inputs: Any) -> Any:
        """Run it. Tensors in, a tensor out; arrays in, an array out."""
        values = list(inputs)
        for step in self.steps:
            values.append(step.run(values))
        return values[-1]

    def source(self) -> str:
        """The program as Python source, which needs `import engine`."""
        inputs = [f"x{k}" for k in range(len(self.shapes))]
        names = inputs + [f"v{k}" for k in range(len(self.steps))]
        calls = [step.source(names) for step in self.steps]
        lines = [f"{name} = {call}" for name, call in zip(names[len(inputs) :], calls[:-1], strict=False)]
        plural = "shape" if len(inputs) == 1 else "shapes"
        head = f"def program({', '.join(inputs)}):  # of {plural} {', '.join(map(repr, self.shapes))}"
        return "\n    ".join([head, *lines, f"return {calls[-1] if calls else inputs[-1]}"])

    __repr__ = source

    def pruned(self) -> Program:
        """The same function without the steps and inputs that the result does not depend on."""
        first = len(self.shapes)
        needed = {first + len(self.steps) - 1}
        for number, step in reversed([*enumerate(self.steps, first)]):
            if number in needed:
                needed |= {*step.uses()}
        kept = sorted(needed)
        moved = {old: new for new, old in enumerate(kept)}
        return Program(
            tuple(self.shapes[old] for old in kept if old < first),
            tuple(self.steps[old - first].on(moved) for old in kept if old >= first),
        )


def _replaced(operands: Any, by: Callable[[int], Any]) -> Any:
    """The operands with each value replaced by `by(number)`."""
    if isinstance(operands, Value):
        return by(operands.number)
    if isinstance(operands, list | tuple):
        return type(operands)([_replaced(operand, by) for operand in operands])
    return operands


def _shown(operand: Any, names: Sequence[str]) -> str:
    if isinstance(operand, Value):
        return names[operand.number]
    if isinstance(operand, list):
        return f"[{', '.join(_shown(one, names) for one in operand)}]"
    return repr(operand)
