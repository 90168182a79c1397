"""The errors of this package and their report: where a gradient is wrong, by how much, and how to reproduce it.

    cube: the vjp rule of x disagrees with central differences
      at       x[1] under the cotangent g
      rule     8
      numeric  12 +- 2e-11
      ratio    0.667
      taylor   the remainder falls like h^1.00; that of a right slope like h^2 or faster

Read next: `engine/testing/hints.py`, the guess behind the ratio.
"""

from __future__ import annotations

import textwrap

from engine.testing.numeric import Estimate


class GradientError(AssertionError):
    """A gradient is wrong.

    Attributes:
        verdict: "disagrees"; "inconclusive" for the subclass.
        law: the law that does not hold, such as "vjp rule".
        snippet: Python source that raises this error again.
    """

    verdict = "disagrees"

    def __init__(self, message: str, law: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.law = law
        self.snippet = ""

    def __str__(self) -> str:
        if not self.snippet:
            return self.message
        return f"{self.message}\n\nTo see it again:\n\n{textwrap.indent(self.snippet, '    ')}"


class Inconclusive(GradientError):  # noqa: N818 (named for its verdict)
    """No gradient was found wrong, but too many could not be decided: a kink, noise, or a function without a value.

    Attributes:
        undecided, checked: how many elements could not be decided, and how many were checked.
    """

    verdict = "inconclusive"

    def __init__(self, message: str, undecided: int = 1, checked: int = 1) -> None:
        super().__init__(message, "undecided")
        self.undecided = undecided
        self.checked = checked


def disagreement(what: str, where: str, found: float, truth: Estimate, hint: str, order: float | None = None) -> str:
    """The report on one wrong entry, in several lines."""
    value, half = float(truth.value), abs(float(truth.jump)) / 2
    ratio = f"{found / value:.6g}" if value and abs(found) < 1e300 and not half else "none"
    numeric = f"{value:.9g} +- {float(truth.error):.1g}"
    if half:
        numeric, hint = f"between {value - half:.9g} and {value + half:.9g}, the slopes of the two sides", ""
    lines = [
        f"{what} disagrees with central differences",
        f"  at       {where}",
        f"  rule     {found:.9g}",
        f"  numeric  {numeric}",
        f"  ratio    {ratio}" + (f": {hint}" if hint else ""),
    ]
    if order is not None:
        lines.append(f"  taylor   the remainder falls like h^{order:.2f}; that of a right slope like h^2 or faster")
    return "\n".join(lines)


def element(name: str, shape: tuple[int, ...], flat: int) -> str:
    """One element as Python writes it: `x[0, 2]`, or `x` if there are no axes."""
    index = []
    for side in reversed(shape):
        flat, place = divmod(flat, side)
        index.append(place)
    return f"{name}[{', '.join(map(str, reversed(index)))}]" if shape else name
