"""check_torch_function: right backward passes agree, planted mistakes are found and named."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from engine.testing import GradientError, Inconclusive, check_torch_function

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed; `make compare` installs it")
nn = torch.nn
RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 2))


class Power(torch.autograd.Function):  # type: ignore[misc]
    """x**power @ w + bias, with settings that are no tensors."""

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, bias: Any, power: int = 2, verbose: bool = False) -> Any:
        assert isinstance(power, int)
        assert isinstance(verbose, bool)
        ctx.save_for_backward(x, w)
        ctx.power = power
        return x**power @ w + bias

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, w = ctx.saved_tensors
        of_x = of_w = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = g @ w.T * ctx.power * x ** (ctx.power - 1)
        if ctx.needs_input_grad[1]:
            of_w = (x**ctx.power).T @ g
        if ctx.needs_input_grad[2]:
            of_bias = g.sum(0)
        return of_x, of_w, of_bias, None, None


def changed(base: Any, **methods: Any) -> Any:
    """A Function with other methods."""
    return type(base.__name__, (base,), {name: staticmethod(method) for name, method in methods.items()})


class Product(torch.autograd.Function):  # type: ignore[misc]
    """A Function with `setup_context`: its forward takes no ctx."""

    @staticmethod
    def forward(a: Any, b: Any) -> Any:
        return a * b

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        a, b = ctx.saved_tensors
        return g * b, g * a


class Largest(torch.autograd.Function):  # type: ignore[misc]
    """The largest of each row, where it stands, and a copy without a gradient."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        values, places = x.max(-1)
        copy = x.clone()
        ctx.save_for_backward(places)
        ctx.shape = x.shape
        ctx.mark_non_differentiable(places, copy)
        return values, places, copy

    @staticmethod
    def backward(ctx: Any, g: Any, *unused: Any) -> Any:
        (places,) = ctx.saved_tensors
        return torch.zeros(ctx.shape).scatter_(-1, places[:, None], g[:, None])  # of the default dtype


class Doubled(torch.autograd.Function):  # type: ignore[misc]
    """Writes into its argument, and says so."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 2 * g


class Rounded(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.round()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


class Pair(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        return 2 * x, 3 * x

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        return (0 if g is None else 2 * g) + (0 if h is None else 3 * h)


def gather(x: Any, ids: Any) -> Any:
    assert not ids.is_floating_point()
    return x[ids]


def of_trees(params: Any, x: Any) -> Any:
    return {"y": [torch.tanh(x @ params["w"]), params["b"][0] * 2], "place": x.argmax(), "none": None}


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        pytest.param(Power, (X, W, np.ones(2), 3, True), id="settings"),
        pytest.param(
            Power, (torch.tensor(X, dtype=torch.float32), torch.tensor(W), np.ones(2, np.float32)), id="float32"
        ),
        pytest.param(
            changed(Power, backward=lambda ctx, g: (*Power.backward(ctx, g)[:2], g, None, None)),
            (X, W, np.ones(2)),
            id="pytorch sums bias",
        ),
        pytest.param(Product, (X, X), id="setup_context"),
        pytest.param(Product, (np.array(0.5), np.array(2.0)), id="no axes"),
        pytest.param(Largest, (X,), id="marks"),
        pytest.param(Doubled, (X,), id="dirty"),
        pytest.param(Pair, (X,), id="pair"),
        pytest.param(gather, (X, np.array([1, 0, 1])), id="ids"),
        pytest.param(of_trees, ({"w": W, "b": [np.ones(2)]}, X), id="trees"),
        pytest.param(lambda x: x.T.contiguous(), (np.asfortranarray(X)[:, ::-1],), id="strides"),
        pytest.param(lambda x: torch.nn.functional.dropout(x, 0.5), (X,), id="random"),
        pytest.param(lambda z: torch.view_as_complex(z).conj().imag, (W,), id="complex inside"),
    ],
)
def test_right_functions_agree(function: Any, arrays: tuple[Any, ...]) -> None:
    assert check_torch_function(function, *arrays).entries > 0


def test_an_empty_argument_has_nothing_to_compare() -> None:
    assert check_torch_function(Product, np.ones((0, 2)), np.ones((0, 2))).entries == 0


kept: dict[str, Any] = {}


def keep(ctx: Any, x: Any) -> Any:
    kept["x"] = x.detach()
    return x * x


def save(ctx: Any, x: Any) -> Any:
    ctx.save_for_backward(torch.sigmoid(x))
    return torch.sigmoid(x)


def save_and_write(ctx: Any, x: Any) -> Any:
    out = torch.sigmoid(x)
    ctx.save_for_backward(out)
    out.mul_(2)
    return out / 2


def write_into_saved(ctx: Any, g: Any) -> Any:
    (s,) = ctx.saved_tensors
    return s.mul_(1 - s).mul_(g)


def numpy_write_into_saved(ctx: Any, g: Any) -> Any:
    s = ctx.saved_tensors[0].numpy()
    s *= 1 - s
    return g * torch.from_numpy(s.copy())


def wrong_in_float32(ctx: Any, g: Any) -> Any:
    (s,) = ctx.saved_tensors
    return g * s * (1 - s) * (1.01 if g.dtype == torch.float32 else 1.0)


def needs_the_wrong_input(ctx: Any, g: Any) -> Any:
    x, w = ctx.saved_tensors
    return g @ w.T * 2 * x, (x**2).T @ g if ctx.needs_input_grad[0] else None, g.sum(0), None, None


def write_into_argument(ctx: Any, x: Any) -> Any:
    result = 3 * x
    x.mul_(2)
    return result


def times(k: int, factor: float) -> Any:
    """The rule of Power, with one gradient multiplied."""

    def backward(ctx: Any, g: Any) -> Any:
        found = list(Power.backward(ctx, g))
        found[k] = None if found[k] is None else factor * found[k]
        return tuple(found)

    return changed(Power, backward=backward)


def transposed(ctx: Any, g: Any) -> Any:
    x, w = ctx.saved_tensors
    return g @ w * 2 * x, (x**2).T @ g, g.sum(0), None, None


SQUARE = RNG.normal(size=(2, 2))


@pytest.mark.parametrize(
    ("function", "arrays", "report"),
    [
        pytest.param(
            times(0, -1.0),
            (X, W, np.ones(2)),
            r"Power: the vjp rule of x .*ratio    -1: the sign is flipped",
            id="sign",
        ),
        pytest.param(
            times(1, 0.5), (X, W, np.ones(2), 3), r"the vjp rule of w .*at       w\[\d, \d\].*ratio    0.5", id="half"
        ),
        pytest.param(
            times(2, 1.001), (X, W, np.ones(2)), r"the vjp rule of bias .*at       bias\[\d\]", id="thousandth"
        ),
        pytest.param(
            changed(Power, backward=transposed),
            (SQUARE, SQUARE, np.ones(2)),
            r"the vjp rule of x .*at       x\[\d, \d\]",
            id="transposed",
        ),
        pytest.param(
            changed(Product, backward=lambda ctx, g: (g[0], g)), (X, X), r"invalid gradient at index 0", id="shape"
        ),
        pytest.param(
            changed(Product, backward=lambda ctx, g: g), (X, X), r"incorrect number of gradients", id="number"
        ),
        pytest.param(
            changed(Pair, forward=save_and_write, backward=write_into_saved),
            (X,),
            r"the vjp rule of x disagrees",
            id="saved, then written into",
        ),
        pytest.param(
            changed(Product, backward=lambda ctx, g: (g, None)),
            (X, X + 1),
            r"the vjp rule of [ab] disagrees",
            id="no product",
        ),
        pytest.param(
            changed(Pair, backward=lambda ctx, g, h: 2 * g + 3 * h),
            (X,),
            r"only result 1 of 2 is used: ",
            id="one result",
        ),
        pytest.param(
            changed(Power, backward=needs_the_wrong_input),
            (X, W, np.ones(2)),
            r"of w\[0, 0\] is 0 when only w requires",
            id="needs_input_grad",
        ),
        pytest.param(
            changed(Pair, forward=keep, backward=lambda ctx, g: 2 * g * kept["x"]),
            (X,),
            r"x\[0, 0\] .* after another",
            id="stale",
        ),
        pytest.param(
            changed(Pair, forward=save, backward=write_into_saved), (X,), r"fails when asked a second time", id="saved"
        ),
        pytest.param(
            changed(Pair, forward=save, backward=numpy_write_into_saved),
            (X,),
            r"x\[0, 0\] is .* when asked a second",
            id="saved by NumPy",
        ),
        pytest.param(
            changed(Pair, forward=write_into_argument, backward=lambda ctx, g: 3 * g),
            (X,),
            r"writes into its argument x",
            id="argument",
        ),
        pytest.param(
            changed(Doubled, backward=lambda ctx, g: g.mul_(2)), (X,), r"wrote into the cotangent", id="cotangent"
        ),
        pytest.param(
            lambda params: params["w"][0].detach() * params["w"][1],
            ({"w": [X, X]},),
            r"params\['w'\]\[0\]\[\d, \d\]",
            id="path of a tree",
        ),
    ],
)
def test_wrong_functions_are_found(function: Any, arrays: tuple[Any, ...], report: str) -> None:
    with pytest.raises(GradientError) as caught:
        check_torch_function(function, *arrays)
    assert not isinstance(caught.value, Inconclusive)
    assert re.search(report, str(caught.value), re.DOTALL)
    assert "check_torch_function(" in caught.value.snippet


def test_float32_compares_the_narrow_rule_as_well() -> None:
    sly = changed(Rounded, forward=save, backward=wrong_in_float32)
    check_torch_function(Power, X, W, np.ones(2), dtype=torch.float32)
    check_torch_function(sly, X)
    with pytest.raises(GradientError, match="narrow = wide"):
        check_torch_function(sly, X, dtype="float32")


def test_a_surrogate_is_a_function_of_tensors_or_of_the_point() -> None:
    check_torch_function(Rounded, X, surrogate=lambda x: x)
    check_torch_function(lambda x: x * x.detach(), X, surrogate=lambda at: lambda x: x * at)
    with pytest.raises(GradientError, match=r"ratio    0\.5"):
        check_torch_function(Rounded, X, surrogate=lambda x: 2 * x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_torch_function(Rounded, 3.0), "none of the arguments of Rounded is a floating array"),
        (lambda: check_torch_function(Rounded, X + 1j), "x is complex"),
        (lambda: check_torch_function(lambda x: x * 1j, X), "returns complex numbers"),
        (lambda: check_torch_function(lambda x: x.argmax(), X), "returns no floating tensor"),
        (lambda: check_torch_function(Rounded, torch.eye(2).to_sparse()), "x is sparse"),
        (lambda: check_torch_function(nn.Linear(3, 2), X), "for a module: check_torch_module"),
        (lambda: check_torch_function(lambda m, x: m(x), nn.Linear(3, 2), X), "m is a module"),
        (lambda: check_torch_function(Rounded, X, dtype="complex64"), "dtype is float64, float32 or float16"),
    ],
)
def test_mistakes_of_use_are_one_line(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
