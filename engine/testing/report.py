"""What is said when a gradient is wrong: where, by how much, what that looks like, and how to see it again.

    cube: the vjp rule of x disagrees with central differences
      at       x[1] under the cotangent g
      rule     8
      numeric  12 +- 2e-11
      ratio    0.667
      taylor   the remainder falls like h^1.00; that of a right slope like h^2 or faster

Read next: `engine/testing/hints.py`, what a ratio looks like; `engine/testing/snippets.py`, how to see it again.
"""

from __future__ import annotations

import textwrap


class GradientError(AssertionError):
    """A gradient is wrong.

    Attributes:
        verdict: "disagrees"; "inconclusive" for the subclass.
        snippet: Python source that raises this error again.
    """

    verdict = "disagrees"

    def __init__(self, message: str, snippet: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.snippet = snippet

    def __str__(self) -> str:
        if not self.snippet:
            return self.message
        return f"{self.message}\n\nTo see it again:\n\n{textwrap.indent(self.snippet, '    ')}"


class Inconclusive(GradientError):  # noqa: N818 (named for its verdict)
    """Nothing was found wrong, but too much could not be decided for it to be a pass: a kink, noise, or no value there.

    Attributes:
        undecided, checked: how many entries could not be decided, of how many.
    """

    verdict = "inconclusive"

    def __init__(self, message: str, undecided: int = 1, checked: int = 1) -> None:
        super().__init__(message)
        self.undecided = undecided
        self.checked = checked


def disagreement(
    what: str, where: str, found: float, truth: float, error: float, hint: str, order: float | None = None
) -> str:
    """The report on one wrong entry, several lines."""
    ratio = f"{found / truth:.6g}" if truth and abs(found) < 1e300 else "none"
    lines = [
        f"{what} disagrees with central differences",
        f"  at       {where}",
        f"  rule     {found:.9g}",
        f"  numeric  {truth:.9g} +- {error:.1g}",
        f"  ratio    {ratio}" + (f": {hint}" if hint else ""),
    ]
    if order is not None:
        lines.append(f"  taylor   the remainder falls like h^{order:.2f}; that of a right slope like h^2 or faster")
    return "\n".join(lines)


def element(name: str, shape: tuple[int, ...], flat: int) -> str:
    """How to write one element: `x[0, 2]`, or `x` where there are no axes."""
    index = []
    for side in reversed(shape):
        flat, place = divmod(flat, side)
        index.append(place)
    return f"{name}[{', '.join(map(str, reversed(index)))}]" if shape else name
