"""Elementwise ops: values against NumPy's, gradients at kinks and far out by exact value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor
from engine.testing.claims import push_forward

inf, nan = math.inf, math.nan

REAL, UNIT, POSITIVE = (-3.0, 3.0), (-0.9, 0.9), (0.1, 3.0)
NUMPYS = {
    REAL: "negative square abs sign exp expm1 sin cos atan sinh cosh tanh",
    POSITIVE: "sqrt log",
    UNIT: "log1p tan asin acos",
}
UNARY: list[tuple[Any, Callable[..., Any], tuple[float, float]]] = [
    *((getattr(engine, name), getattr(np, name), domain) for domain in NUMPYS for name in NUMPYS[domain].split()),
    (engine.relu, lambda x: np.maximum(x, 0), REAL),
    (engine.sigmoid, lambda x: np.exp(x) / (np.exp(x) + 1), REAL),
    (engine.softplus, lambda x: np.logaddexp(x, 0), REAL),
    (engine.silu, lambda x: x * np.exp(x) / (np.exp(x) + 1), REAL),
    (engine.erf, np.vectorize(math.erf, otypes=[np.float64]), REAL),
    (engine.erfc, np.vectorize(math.erfc, otypes=[np.float64]), REAL),
]
BINARY = "add subtract multiply divide pow atan2 hypot maximum minimum".split()
COMPARISONS = "equal not_equal less less_equal greater greater_equal".split()
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "2-d": lambda x: x.reshape(3, 4),
    "0-d": lambda x: x[0].reshape(()),
    "empty": lambda x: x[:0].reshape(0, 2),
    "reversed": lambda x: x[::-2],
    "transposed": lambda x: x.reshape(3, 4).T,
}


def numbers(low: float, high: float, dtype: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(low, high, 12).astype(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row", UNARY, ids=lambda row: row[0].name)
def test_values_of_one_argument_are_numpys(row: tuple[Any, Any, Any], dtype: Any, layout: str) -> None:
    op, reference, (low, high) = row
    x = LAYOUTS[layout](numbers(low, high, dtype))
    expect_values(op(Tensor(x)), reference(x.astype(np.float64)), dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_values_of_two_arguments_are_numpys(name: str, dtype: Any, layout: str) -> None:
    op, reference = getattr(engine, name), getattr(np, name)
    x, y = (LAYOUTS[layout](numbers(*POSITIVE, dtype, seed)) for seed in (0, 1))
    wide = [v.astype(np.float64) for v in (x, y)]
    expect_values(op(Tensor(x), Tensor(y)), reference(*wide), dtype)
    expect_values(op(Tensor(x), 1.5), reference(wide[0], 1.5), dtype)
    expect_values(op(1.5, Tensor(y)), reference(1.5, wide[1]), dtype)


def expect_values(found: Tensor, expected: Any, dtype: Any) -> None:
    assert type(found.array) is np.ndarray
    assert found.dtype == dtype
    rounding = 8 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(found.numpy(), expected, rtol=rounding, atol=rounding)
    assert found.shape == np.shape(expected)


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_are_numpys_and_plain_arrays(name: str) -> None:
    x, y = np.array([1.0, 2.0, nan]), np.array([[1.0], [2.0]])
    found = getattr(engine, name)(Tensor(x, requires_grad=True), Tensor(y))
    np.testing.assert_array_equal(found, getattr(np, name)(x, y), strict=True)


@pytest.mark.parametrize(
    "integers", [np.arange(-2, 3), np.array([250, 1], np.uint8), np.array([True, False])], ids=repr
)
@pytest.mark.parametrize("op", [engine.sigmoid, engine.softplus, engine.silu])
def test_activations_take_integers_and_booleans_as_float64(op: Any, integers: Any) -> None:
    np.testing.assert_array_equal(op(Tensor(integers)).numpy(), op(integers.astype(np.float64)), strict=True)


# ---- kinks ---------------------------------------------------------------------------------------------------------


def gradients(f: Callable[..., Any], *values: Any) -> list[Any]:
    """The gradient of f(values).sum() in each value; NumPy may complain on the way."""
    tensors = [Tensor(v, requires_grad=True, dtype=np.float64) for v in values]
    with np.errstate(all="ignore"):
        f(*tensors).sum().backward()
    return [None if t.grad is None else t.grad.numpy().tolist() for t in tensors]


def test_the_gradient_of_sign_is_zero_everywhere() -> None:
    assert gradients(engine.sign, [-2.0, 0.0, 3.0]) == [[0.0, 0.0, 0.0]]
    assert gradients(lambda x: engine.sign(x) * inf, 2.0) == [0.0]


def test_clip_sends_the_gradient_to_the_one_in_force_and_at_a_bound_to_x() -> None:
    x = [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert gradients(engine.clip, x, -1.0, 1.0) == [[0.0, 1.0, 1.0, 1.0, 0.0], 1.0, 1.0]
    assert gradients(lambda x, low: engine.clip(x, low), x, -1.0) == [[0.0, 1.0, 1.0, 1.0, 1.0], 1.0]
    assert gradients(lambda x, high: engine.clip(x, max=high), x, 1.0) == [[1.0, 1.0, 1.0, 1.0, 0.0], 1.0]
    assert gradients(lambda x: engine.clip(x, 0.0, 1.0), x) == [[0.0, 0.0, 1.0, 1.0, 0.0]]
    assert gradients(engine.clip, x, 1.0, 1.0) == [[0.0, 0.0, 0.0, 1.0, 0.0], 3.0, 1.0]
    assert gradients(lambda x: engine.clip(x), x) == [[1.0] * 5]


def test_clip_takes_numbers_arrays_and_tensors_and_keeps_the_dtype() -> None:
    x = Tensor([[-2.0, 0.5, nan]])
    for low, high in [(0, 1), (0.0, np.float64(1)), (Tensor(0.0), np.array([1, 1, 1])), (np.zeros((), int), 1.0)]:
        clipped = engine.clip(x, low, high)
        assert clipped.dtype == np.float32
        np.testing.assert_array_equal(clipped.numpy(), [[0.0, 0.5, nan]])
    assert engine.clip(x, min=np.zeros((2, 1), np.float32)).shape == (2, 3)
    np.testing.assert_array_equal(engine.clip(np.arange(4), 1, 2), [1, 1, 2, 2])


@pytest.mark.parametrize(
    ("x", "y", "dx", "dy"),
    [
        (0.0, 1.0, 1.0, 0.0),
        (0.0, 2.5, 0.0, 0.0),
        (0.0, 0.5, inf, 0.0),
        (0.0, -1.0, -inf, -inf),
        (-2.0, 0.0, 0.0, nan),
        (2.0, -1.0, -0.25, 0.5 * math.log(2)),
        (5e-324, 0.0, 0.0, math.log(5e-324)),  # the smallest number: its reciprocal is inf
    ],
)
def test_pow_where_it_is_delicate(x: float, y: float, dx: float, dy: float) -> None:
    np.testing.assert_array_equal(gradients(engine.pow, [x, 1.0], [y, 1.0]), [[dx, 1.0], [dy, 0.0]])
    np.testing.assert_array_equal(gradients(lambda x: x**y, [x]), [[dx]])
    np.testing.assert_array_equal(gradients(lambda y: x**y, [y]), [[dy]])


@pytest.mark.parametrize("size", [1e-30, 1e-20, 1.0, 1e20, 1e30])
def test_angle_and_distance_stay_in_the_range_of_float32(size: float) -> None:
    y, x = (Tensor(np.float32(v * size), requires_grad=True) for v in (3.0, 4.0))
    (engine.hypot(x, y) + engine.atan2(y, x) * size).backward()
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_allclose([x.grad.item(), y.grad.item()], [0.8 - 0.12, 0.6 + 0.16], rtol=1e-5)


def test_division_by_the_number_zero_is_numpys_and_so_is_its_gradient() -> None:
    assert gradients(lambda x: x / 0, [1.0, -1.0]) == [[inf, inf]]
    assert gradients(lambda x: x / -0.0, [1.0]) == [[-inf]]
    assert gradients(lambda x: (x / 0) * np.array([0.0, 1.0]), [1.0, 1.0]) == [[0.0, inf]]


# ---- far out -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_are_accurate_far_from_zero_and_never_overflow(dtype: Any) -> None:
    far = np.array([-1e4, -80.0, -30.0, 30.0, 1e4], dtype)
    tail = [0.0, math.exp(-80), math.exp(-30) / (1 + math.exp(-30))]
    rtol = 8 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(engine.sigmoid(far), [*tail, 1 / (1 + math.exp(-30)), 1.0], rtol=rtol)
    np.testing.assert_allclose(engine.silu(far), far * engine.sigmoid(far), rtol=rtol)
    np.testing.assert_allclose(
        engine.softplus(far), [0.0, math.exp(-80), math.log1p(math.exp(-30)), 30 + math.exp(-30), 1e4], rtol=rtol
    )
    np.testing.assert_array_equal(engine.sigmoid(np.array([-inf, inf], dtype)), [0.0, 1.0])
    np.testing.assert_array_equal(engine.softplus(np.array([-inf, inf], dtype)), [0.0, inf])


@pytest.mark.parametrize(
    ("op", "slopes"),
    [(engine.sigmoid, [0.0, 0.25, 0.0]), (engine.softplus, [0.0, 0.5, 1.0]), (engine.silu, [0.0, 0.5, 1.0])],
)
def test_slopes_of_activations_far_out_and_at_zero(op: Any, slopes: list[float]) -> None:
    assert gradients(op, [-1e4, 0.0, 1e4]) == [slopes]
    pushed = push_forward(op, [np.array([-1e4, 0.0, 1e4])], {0: np.ones(3)})
    np.testing.assert_array_equal(pushed, slopes)


def test_slopes_keep_their_accuracy_where_the_plain_formula_cancels() -> None:
    np.testing.assert_allclose(gradients(engine.expm1, -40.0), [math.exp(-40)], rtol=1e-14)
    edge = 1 - 2.0**-40
    np.testing.assert_allclose(gradients(engine.asin, edge), [1 / math.sqrt(2.0**-40 * (1 + edge))], rtol=1e-14)


def test_a_number_raised_to_a_float32_tensor_stays_float32() -> None:
    exponents = Tensor([0.0, 3.0], requires_grad=True)
    (2.0**exponents).sum().backward()
    assert exponents.grad is not None
    assert exponents.grad.dtype == np.float32
    np.testing.assert_allclose(exponents.grad.numpy(), [math.log(2), 8 * math.log(2)], rtol=1e-6)
