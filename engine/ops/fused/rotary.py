"""rotary: the rotation of queries and keys by their position in the text (Su et al. 2021).

Read next: `engine/examples.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.declare import primitive
from engine.examples import REAL, Arguments, Draw
from engine.ops.indexing import getitem
from engine.ops.shapes import concat, reshape

__all__ = ["rotary"]


def _rotary_reference(x: Any, *, phases: Any) -> Any:
    pairs = reshape(x, shape=(*x.shape[:-1], x.shape[-1] // 2, 2))
    a, b = getitem(pairs, (..., slice(0, 1))), getitem(pairs, (..., slice(1, 2)))
    cos, sin = phases.real[..., None], phases.imag[..., None]
    return reshape(concat([a * cos - b * sin, a * sin + b * cos], axis=-1), shape=x.shape)


def _rotary_example(draw: Draw) -> Arguments:
    time, pairs = draw.integer(1, 3), draw.integer(1, 2)
    angles = draw.array((time, pairs), REAL)
    x = draw.array((*draw.shape(max_dims=2), time, 2 * pairs), REAL)
    return Arguments([x], {"phases": np.exp(1j * angles)})


@primitive(
    vjp=(lambda g, *, phases: rotary(g, phases=phases.conj()),),
    jvp=(lambda t, *, phases: rotary(t, phases=phases),),
    examples=_rotary_example,
    reference=_rotary_reference,
    degree=1,
)
def rotary(x: Any, *, phases: Any) -> Any:
    """Rotate each pair of neighbouring channels (a, b) by an angle, as the complex product (a + ib) e^{i angle}.

    Shapes: x (..., time, channels), phases (time, channels / 2), complex, e^{i angle}; result (..., time, channels).
    The inner product of two rotated vectors depends on the difference of their angles only, so attention scores depend
    on relative positions. The transpose, which the vjp rule applies, is the rotation by minus the angle. Raises
    ValueError for shapes that do not fit.
    """
    if not isinstance(phases, np.ndarray):
        raise TypeError(f"rotary: phases must be an array of complex numbers, not {phases!r:.40}")
    if x.shape[-1] != 2 * phases.shape[-1]:
        raise ValueError(f"rotary: phases of shape {phases.shape} do not fit x of shape {x.shape}, two channels each")
    if x.strides[-1] != x.itemsize:
        x = np.ascontiguousarray(x)
    kind = np.result_type(x.dtype, np.complex64)
    return (x.view(kind) * phases.astype(kind, copy=False)).view(x.dtype)
