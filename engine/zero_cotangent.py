"""The law of the zero cotangent: a value that was not used sends no gradient, however steep the op is there.

In `where(x > 0, sqrt(x), x)` at x = 0 the square root receives the cotangent 0. Its slope there is inf, and 0 * inf is
nan, while the right contribution is 0: the value was not selected.

Looking for that nan would cost a pass over every contribution. NumPy finds it at no cost: it raises its `invalid` flag
for 0 * inf. So a sweep runs with an `Alarm` that listens for the flag, and only after the flag was raised is the
contribution of a pointwise op searched and mended.

In a recorded sweep the nan may have been saved by the nodes that the rule made. Multiplying a saved nan raises no flag,
so these nodes are marked as suspects, and a sweep through them searches their contributions in any case.

Read next: `engine/backward.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import ops
from engine.graph import Node, next_serial, reachable
from engine.operands import as_operand
from engine.tensor import Tensor


class Alarm:
    """Notices when NumPy meets an invalid operation (0 * inf, 0 / 0, the square root of -1).

    Fields:
        rang: whether an invalid operation has happened since the last contribution.
        began: the serial number at which the sweep began.
    """

    __slots__ = ("began", "rang")

    def __init__(self) -> None:
        self.rang = False
        self.began = next_serial()

    def __call__(self, *_: Any) -> None:
        self.rang = True

    def listening(self) -> np.errstate:
        """A context in which NumPy reports invalid operations here; its other warnings are silenced."""
        return np.errstate(all="ignore", invalid="call", call=self)

    def mend(self, node: Node, g: Any, contribution: Any) -> Any:
        """The contribution of a pointwise op, with 0 in place of every nan where the cotangent (or tangent) is 0."""
        suspect = node.notes is not None and node.notes.suspect
        search = (self.rang or suspect) and node.primitive is not None and node.primitive.pointwise
        self.rang = False
        if not search or contribution.shape != g.shape:
            return contribution
        unused = np.isnan(as_operand(contribution)) & (as_operand(g) == 0)
        if not unused.any():
            return contribution
        if isinstance(contribution, Tensor) and contribution.node is not None:
            for made in reachable(contribution.node, oldest=self.began if g.node is None else g.node.serial):
                made.note().suspect = True
        return ops.where(unused, 0.0, contribution)
