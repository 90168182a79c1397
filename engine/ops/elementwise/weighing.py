"""The law of the zero cotangent: a place whose value was not used sends no gradient, however steep the op is there.

    where(x > 0, sqrt(x), x)        at x = 0 sqrt gets the cotangent 0, its slope is inf, and 0 * inf is nan

That nan would add itself to the gradient of x, from a branch that was not taken. So a rule whose slope (the op's local
derivative) can be infinite or undefined at a finite argument *weighs* it with the cotangent instead of multiplying.

The invariant: `weigh(g, slope)` is the product, and 0 wherever g is 0. What it sends to the slope when it is itself
differentiated is h * g, where both are cotangents, of this sweep and of the one before; a zero in either means that
nothing was asked. That product, `weigh_both`, is its own derivative, and so the law holds in sweeps of any order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.examples import REAL, broadcasting
from engine.plan import LINEAR
from engine.primitive import primitive
from engine.tensor import Array


@primitive(
    vjp=(lambda h, slope: weigh(h, slope), lambda h, g: weigh_both(h, g)),
    jvp=(lambda t, slope: weigh(t, slope), lambda t, g: weigh_both(g, t)),
    examples=broadcasting(REAL, REAL),
    broadcasts=True,
)
def weigh(g: Any, slope: Any) -> Any:
    """Elementwise g * slope, where 0 times anything is 0; d = slope dg + g dslope."""
    product = np.multiply(g, slope)
    return product if _finite(product) else np.where(np.equal(g, 0), 0, product)


@primitive(
    vjp=(lambda h, y: weigh_both(h, y), lambda h, x: weigh_both(h, x)),
    jvp=LINEAR,
    examples=broadcasting(REAL, REAL),
    broadcasts=True,
)
def weigh_both(x: Any, y: Any) -> Any:
    """Elementwise x * y, where 0 times anything is 0 and anything times 0 too; d = y dx + x dy."""
    product = np.multiply(x, y)
    return product if _finite(product) else np.where(np.equal(x, 0) | np.equal(y, 0), 0, product)


def _finite(product: Array) -> bool:
    """Whether inf and nan are ruled out, by one fast pass; an overflow of the square says no, which is safe."""
    flat = product.ravel(order="K")  # a view, whatever the layout
    return math.isfinite(np.vdot(flat, flat))
