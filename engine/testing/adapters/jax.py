"""check_jax: the backward pass of a JAX function, under float64 whatever the configuration says.

The arguments are any pytrees. Their floating leaves are moved, Python numbers among them as `jax.grad` would have it;
other leaves, such as integers, strings and random keys, are passed through as they are.

Read next: `engine/testing/snippets.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.testing.adapters.adapted import Adapted, floating, framework, refusing, targeted, written
from engine.testing.checks import Report
from engine.testing.names import name_of, named
from engine.testing.report import Inconclusive

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked


def check_jax(
    f: Callable[..., Any],
    *arrays: Any,
    dtype: Any = "float64",
    subgradient: bool = False,
    surrogate: Callable[..., Any] | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    name: str | None = None,
    seed: int = 0,
) -> Report:
    """Compare the backward pass of a JAX function, such as one with a `custom_vjp`, with central differences.

    Args:
        f: returns a pytree; its floating leaves are the results.
        arrays: the arguments of f, any pytrees. Floating leaves are moved, others are passed through.
        dtype: that of the floating leaves; "float32" also compares the rule in float32 with the rule in float64.
        subgradient, surrogate, rtol, atol, name, seed: as for `check_vjp`; the surrogate is a JAX function.

    float64 is enabled for the time of the check only. Raises GradientError and Inconclusive as `check_vjp` does, and
    ImportError without JAX.
    """
    jax = framework("check_jax", "jax", "JAX")
    dtype = floating("check_jax", dtype)
    subject = name or name_of(f)
    leaves, form = jax.tree_util.tree_flatten_with_path(tuple(arrays))
    places = named(len(arrays), f)
    moving = {k: _array(jax, places, path, leaf, dtype) for k, (path, leaf) in enumerate(leaves) if _moves(jax, leaf)}
    names = [_name(jax, places, leaves[k][0]) for k in moving]
    enable_x64 = (jax if hasattr(jax, "enable_x64") else framework("check_jax", "jax.experimental", "JAX")).enable_x64

    def result(function: Callable[..., Any], xs: Sequence[Any]) -> Any:
        given = dict(zip(moving, xs, strict=True))
        args = jax.tree_util.tree_unflatten(form, [given.get(k, leaf) for k, (_, leaf) in enumerate(leaves)])
        out = function(*args)
        return out if callable(out) else _results(jax, subject, out)

    def at(function: Callable[..., Any], xs: Sequence[Array]) -> Any:
        with enable_x64(True):
            out = result(function, [jax.numpy.array(x) for x in xs])
            return out if callable(out) else [np.asarray(one) for one in out]

    compiled = _compiled(jax, lambda xs: result(f, xs))
    pulled = _compiled(jax, lambda gs, xs: jax.vjp(lambda xs: result(f, xs), xs)[1](gs)[0])

    def value(*xs: Array) -> list[Array]:
        with enable_x64(True):
            return [np.array(one) for one in compiled([jax.numpy.array(x) for x in xs])]

    def vjp(gs: Sequence[Array], *xs: Array) -> list[Array]:
        with enable_x64(True), refusing(subject):
            return [np.array(g) for g in pulled(*([jax.numpy.array(one) for one in list(row)] for row in (gs, xs)))]

    options = {"subgradient": subgradient, "rtol": rtol, "atol": atol, "seed": seed}
    readable = [jax.tree_util.tree_map(_readable, one) for one in arrays]
    snippet = written("check_jax", {"f": f}, readable, dtype=dtype, surrogate=surrogate, name=name, **options)
    xs = list(moving.values())
    adapted = Adapted("check_jax", subject, names, xs, value, vjp, targeted(surrogate, at), snippet)
    if xs and not all(map(_equal, at(f, xs), at(f, xs))):  # compiled, it would draw its random numbers once
        raise Inconclusive(f"{subject}: inconclusive, two calls with the same arguments differ; fix its randomness")
    return adapted.compare(**options)


def _compiled(jax: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function compiled by `jax.jit`, or as it is if it cannot be, as where a condition depends on values."""
    jitted, can = jax.jit(function), True

    def call(*args: Any) -> Any:
        nonlocal can
        if can:
            try:
                return jitted(*args)
            except (jax.errors.JAXTypeError, jax.errors.JAXIndexError):
                can = False
        return function(*args)

    return call


def _equal(one: Array, other: Array) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _moves(jax: Any, leaf: Any) -> bool:
    """Whether a leaf is a real or complex number, or an array of them."""
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, float | complex) if dtype is None else jax.numpy.issubdtype(dtype, jax.numpy.inexact)


def _array(jax: Any, places: Sequence[str], path: Any, leaf: Any, dtype: np.dtype[Any]) -> Array:
    if np.iscomplexobj(leaf):
        raise TypeError(f"check_jax: {_name(jax, places, path)} is complex; check a function of its two real parts")
    return np.asarray(leaf).astype(dtype)


def _name(jax: Any, places: Sequence[str], path: Any) -> str:
    return str(places[path[0].idx] + jax.tree_util.keystr(path[1:]))


def _results(jax: Any, subject: str, out: Any) -> list[Any]:
    """The floating leaves of a result."""
    arrays = [jax.numpy.asarray(leaf) for leaf in jax.tree_util.tree_leaves(out)]
    if any(jax.numpy.iscomplexobj(one) for one in arrays):
        raise TypeError(f"check_jax: {subject} returns complex numbers; return their real and imaginary parts")
    numbers = [one for one in arrays if jax.numpy.issubdtype(one.dtype, jax.numpy.floating)]
    found = [one.astype("float32") if one.dtype == jax.numpy.bfloat16 else one for one in numbers]  # NumPy has none
    if not found:
        raise TypeError(f"check_jax: {subject} returns no floating array, so nothing can be differentiated")
    return found


def _readable(leaf: Any) -> Any:
    """A leaf as source is written from it: NumPy's arrays in place of JAX's."""
    dtype = getattr(leaf, "dtype", None)
    return np.asarray(leaf) if isinstance(dtype, np.dtype) and not isinstance(leaf, np.generic) else leaf
