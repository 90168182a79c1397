"""Faults found in other engines: optimizers that forget, what they are given, half precision, clipping, losses."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from engine import Tensor
from engine.testing import gradcheck
from nn.optim import SGD, Adam, AdamW, Muon, Optimizer

MAKE: dict[str, Callable[[Any], Optimizer]] = {
    "SGD": lambda ps: SGD(ps, lr=0.1),
    "momentum": lambda ps: SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1),
    "Adam": lambda ps: Adam(ps, lr=0.1, weight_decay=0.1),
    "AdamW": lambda ps: AdamW(ps, lr=0.1),
    "Muon": lambda ps: Muon(ps, lr=0.1, weight_decay=0.1),
}


def weights(dtype: Any = np.float64) -> list[Tensor]:
    return leaves([1.0, -2.0], [[3.0], [0.5]], 4.0, dtype=dtype)


def matrices() -> list[Tensor]:
    return leaves([[1.0, -2.0]], [[3.0], [0.5]], [[4.0]])


def leaves(*values: Any, dtype: Any = np.float64) -> list[Tensor]:
    return [Tensor(np.array(value, dtype), requires_grad=True, name=f"w{k}") for k, value in enumerate(values)]


WEIGHTS: dict[str, Callable[[], list[Tensor]]] = dict.fromkeys(MAKE, weights) | {"Muon": matrices}
ALL = pytest.mark.parametrize(("make", "weights"), [(MAKE[name], WEIGHTS[name]) for name in MAKE], ids=MAKE.keys())


def run(ps: list[Tensor], optimizer: Optimizer, steps: int = 3) -> list[Any]:
    """Some steps towards 0; returns the parameters' values."""
    for _ in range(steps):
        for p in ps:
            (p * p).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [p.numpy().tolist() for p in ps]


# ---- 14: state -------------------------------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_14_a_copy_with_its_parameters_goes_on_alike(make: Any, weights: Any, twin_of: Any) -> None:
    ps = weights()
    optimizer = make([{"params": ps[:2]}, {"params": ps[2]}])
    run(ps, optimizer)
    twins, twin = twin_of((ps, optimizer))
    before = [p.numpy().copy() for p in ps]
    moved = run(twins, twin)
    for p, value in zip(ps, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), value)
    assert moved == run(ps, optimizer)


@ALL
def test_14_a_saved_state_is_loaded_by_position_and_shares_no_memory(make: Any, weights: Any) -> None:
    ps = weights()
    optimizer = make([{"params": ps[:2]}, {"params": ps[2:]}])
    run(ps, optimizer)
    state = optimizer.state_dict()
    fresh = [Tensor(p.numpy(), requires_grad=True) for p in ps]
    other = make([{"params": fresh[:2], "lr": 0.7}, {"params": fresh[2:]}])
    other.load_state_dict(state)
    assert other.lr == 0.1
    assert other.steps == 3
    kept = copy.deepcopy(state)
    assert run(fresh, other) == run(ps, optimizer)
    np.testing.assert_equal(state, kept)


def test_14_a_parameter_without_gradient_has_no_state_yet() -> None:
    ps = weights()
    optimizer = AdamW(ps)
    (ps[1] * ps[1]).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    assert [*state["state"]] == [1]
    assert state["groups"][0]["params"] == [0, 1, 2]
    AdamW(weights()).load_state_dict(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(kind="SGD"), "this is the state of SGD"),
        (
            lambda s: s["groups"].append(s["groups"][0]),
            r"has groups of \[3, 3\] parameters, and this optimizer of \[3\]",
        ),
        (lambda s: s["groups"][0]["params"].pop(), r"has groups of \[2\] parameters, and this optimizer of \[3\]"),
        (lambda s: s["groups"][0].update(lr=math.nan), "lr must be finite, not nan"),
        (lambda s: s["groups"][0].pop("eps"), "setting 'eps' is missing"),
        (lambda s: s["state"][0].update(mean=np.ones(3)), r"state 0 mean has shape \(3,\), and needs \(2,\)"),
        (lambda s: s["state"][1].pop("square"), "missing state 1 square"),
        (lambda s: s["state"][1].update(velocity=1), "unexpected state 1 velocity"),
        (lambda s: s["state"].update({7: s["state"][0]}), "unexpected state 7 mean"),
        (lambda s: s.pop("steps"), r"give what state_dict\(\) of an optimizer returned"),
    ],
)
def test_14_a_state_of_another_optimizer_is_refused(change: Callable[[Any], Any], message: str) -> None:
    ps = weights()
    optimizer = Adam(ps)
    run(ps, optimizer)
    before, wrong = optimizer.state_dict(), optimizer.state_dict()
    change(wrong)
    with pytest.raises((ValueError, TypeError), match=rf"^Adam[^\n]*{message}[^\n]*$"):
        optimizer.load_state_dict(wrong)
    np.testing.assert_equal(optimizer.state_dict(), before)


# ---- 15, 16: what they are given -------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [iter, list, tuple, lambda ps: (p for p in ps), lambda ps: dict.fromkeys(ps).keys()])
@ALL
def test_15_iterables_are_taken_once(make: Any, weights: Any, wrap: Any) -> None:
    ps, qs, rs = weights(), weights(), weights()
    expected = run(ps, make(ps))
    assert run(qs, make(wrap(qs))) == expected
    assert run(rs, make(iter([{"params": wrap(rs)}]))) == expected


def test_15_clipping_reads_a_generator_once_and_refuses_an_empty_one() -> None:
    ps = weights()
    for p in ps:
        (p * p).sum().backward()
    given = (p for p in ps)
    assert nn.clip_grad_norm(given, 1.0) > 1
    assert nn.clip_grad_norm(iter(ps), 1.0) == pytest.approx(1)
    assert nn.clip_grad_norm(ps[0], 0.1) < 1  # a tensor is a list of one
    with pytest.raises(ValueError, match=r"^clip_grad_norm: no parameters were given \(a generator .* is empty\)$"):
        nn.clip_grad_norm(given, 1.0)


def test_16_a_parameter_given_twice_is_refused() -> None:
    w, v = weights()[:2]
    for twice in ([w, w], [{"params": [w]}, {"params": [v, w]}], [{"params": [w, v, w]}]):
        with pytest.raises(ValueError, match=r"^SGD: the tensor w0 of shape \(2,\) is given twice$"):
            SGD(twice, lr=0.1)
    with pytest.raises(ValueError, match="given twice"):
        nn.clip_grad_norm([w, w], 1.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no parameters"),
        (iter([]), "no parameters"),
        ([{"params": []}], "no parameters"),
        (None, "must be a list of tensors or of groups, not NoneType"),
        ({"params": weights()}, "must be a list of tensors or of groups, not dict"),
        ({*weights()}, "must be a list of tensors or of groups, not set"),
        (nn.Linear(2, 2), r"give the module's parameters, model\.parameters\(\)"),
        ([nn.Linear(2, 2)], "must be tensors"),
        (nn.Linear(2, 2).named_parameters(), "must be tensors"),
        ([np.ones(2)], "must be tensors"),
        ([Tensor([1.0])], "leaf tensors with requires_grad"),
        ([weights()[0] * 2], "leaf tensors with requires_grad, not the tensor made by multiply"),
        ([weights()[0], {"params": weights()}], 'a group must be a dict with a list of tensors under "params"'),
        ([{"parameters": weights()}], 'a group must be a dict with a list of tensors under "params"'),
        ([{"params": weights(), "weigth_decay": 0.0}], "no setting 'weigth_decay'; a group has params, lr, momentum"),
    ],
)
def test_16_lists_are_checked_when_given(given: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"^SGD: [^\n]*{message}[^\n]*$"):
        SGD(given, lr=0.1)


WRONG = [-0.1, math.nan, math.inf, -math.inf, True, "0.1", None, Tensor([0.1], requires_grad=True), 10**400, 1j]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: f"{type(value).__name__} {str(value)[:5]}")
@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, Muon])
def test_16_numbers_are_checked_when_given_and_when_changed(kind: Any, value: Any) -> None:
    given = WEIGHTS[kind.__name__]
    for name in kind.checks:
        pairs = [(value, 0.9), (0.9, value)] if name == "betas" else [value]
        for wrong in pairs:
            message = rf"^{kind.__name__}: {name}[^\n]* must [^\n]*$"
            with pytest.raises((TypeError, ValueError), match=message):
                kind(given(), **{"lr": 0.1, name: wrong})
            with pytest.raises((TypeError, ValueError), match=message):
                kind([{"params": given(), name: wrong}], lr=0.1)
            optimizer = kind(given(), lr=0.1)
            optimizer.groups[0][name] = wrong
            with pytest.raises((TypeError, ValueError), match=message):
                optimizer.step()
    with pytest.raises((TypeError, ValueError), match="lr"):
        optimizer.lr = value


@pytest.mark.parametrize("settings", [{"eps": 0}, {"betas": (0.9, 1.0)}, {"betas": (1.5, 0.9)}, {"betas": 0.9}])
def test_16_numbers_that_would_divide_by_zero(settings: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^Adam: (eps|betas)"):
        Adam(weights(), **settings)


@ALL
def test_16_a_gradient_of_another_shape_is_refused_before_any_step(make: Any, weights: Any) -> None:
    ps = weights()
    optimizer, before = make(ps), [p.numpy().copy() for p in ps]
    for wrong in (Tensor(np.ones(2)), np.ones((2, 1))):
        ps[0].grad, ps[1].grad = Tensor(np.ones(ps[0].shape)), wrong
        with pytest.raises(
            ValueError, match=r"the gradient of the tensor w1 of shape \(2, 1\) must be a Tensor of that"
        ):
            optimizer.step()
    for p, value in zip(ps, before, strict=True):
        np.testing.assert_array_equal(p.numpy(), value)


# ---- half precision --------------------------------------------------------------------------------------------------


@ALL
def test_half_precision_is_updated_in_single(make: Any, weights: Any) -> None:
    """Gradients whose squares, or their decayed parts, leave the range of float16."""
    for size in (1000.0, 1e-3):
        half, single = (
            Tensor(np.array([[1.0, -2.0]], dtype), requires_grad=True) for dtype in (np.float16, np.float32)
        )
        optimizers = make([half]), make([single])
        for _ in range(5):
            single.assign(half.numpy())
            for p, optimizer in zip((half, single), optimizers, strict=True):
                p.grad = Tensor(np.array([[size, -size]], p.dtype))
                optimizer.step()
            np.testing.assert_array_equal(half.numpy(), single.numpy().astype(np.float16))
        assert half.dtype == np.float16
        assert all(array.dtype != np.float16 for array in optimizers[0].state[0].values())


@pytest.mark.parametrize(
    ("values", "dtype", "norm"),
    [
        ([300.0, 400.0], np.float16, 500.0),
        ([30000.0, 40000.0], np.float16, 50000.0),
        ([3e-7] * 4, np.float16, 2 * float(np.float16(3e-7))),
        ([3e20, 4e20], np.float32, 5e20),
        ([3e-30, 4e-30], np.float32, 5e-30),
        ([3e200, 4e200], np.float64, 5e200),
    ],
)
def test_13_clipping_measures_what_cannot_be_squared(values: list[float], dtype: Any, norm: float) -> None:
    x = Tensor(np.ones(len(values), dtype), requires_grad=True)
    x.grad = Tensor(np.array(values, dtype))
    assert nn.clip_grad_norm([x], norm / 2) == pytest.approx(norm, rel=1e-5)
    assert x.grad.dtype == dtype
    np.testing.assert_allclose(
        x.grad.numpy(), np.array(values) / 2, rtol=1e-3 if dtype is np.float16 else 1e-5, atol=6e-8
    )
    assert nn.clip_grad_norm([x], math.inf) == pytest.approx(norm / 2, rel=0.25 if 1e-8 < norm < 1e-5 else 1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_56_clipping_refuses_a_gradient_that_is_not_finite_and_scales_none(bad: float, dtype: Any) -> None:
    ps = weights(dtype)
    for p in ps:
        p.grad = Tensor(np.full(p.shape, 3, dtype))
    ps[1].grad = Tensor(np.array([[1.0], [bad]], dtype))
    with pytest.raises(
        FloatingPointError, match=r"^clip_grad_norm: the gradient of the tensor w1 of shape \(2, 1\) is not"
    ):
        nn.clip_grad_norm(ps, 1.0)
    assert ps[0].grad is not None
    assert ps[0].grad.numpy().tolist() == [3, 3]


@pytest.mark.parametrize("bad", [-1.0, math.nan, -math.inf, True, None, Tensor([1.0], requires_grad=True)])
def test_56_clipping_checks_its_bound(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^clip_grad_norm: max_norm must "):
        nn.clip_grad_norm(weights(), bad)


# ---- losses ----------------------------------------------------------------------------------------------------------

PAIRS = [
    (nn.losses.mse_loss, 1.0),
    (nn.losses.binary_cross_entropy_with_logits, 1.0),
    (nn.losses.binary_cross_entropy, 0.0),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("loss", "spread"), PAIRS)
def test_losses_have_the_right_gradients(loss: Any, spread: float, reduction: str) -> None:
    rng = np.random.default_rng(0)
    targets = rng.uniform(0.1, 0.9, (2, 3))
    predictions = rng.normal(0, 2, (2, 3)) if spread else rng.uniform(0.1, 0.9, (2, 3))
    gradcheck(lambda x, t: loss(x, t, reduction=reduction), predictions, targets)


def test_losses_have_their_values() -> None:
    losses = nn.losses
    assert losses.mse_loss(Tensor([1.0, 2.0]), Tensor([0.0, 4.0])).item() == 2.5
    assert losses.mse_loss(Tensor([1.0, 2.0]), [0.0, 4.0], reduction="sum").item() == 5
    assert losses.mse_loss(Tensor([1.0, 2.0]), [0, 4], reduction="none").numpy().tolist() == [1, 4]
    x, t = np.array([-2.0, 0.3, 5.0]), np.array([0.0, 0.25, 1.0])
    p = 1 / (1 + np.exp(-x))
    costs = -t * np.log(p) - (1 - t) * np.log(1 - p)
    found = losses.binary_cross_entropy_with_logits(Tensor(x), t, reduction="none")
    np.testing.assert_allclose(found.numpy(), costs, rtol=1e-13)
    assert losses.binary_cross_entropy(Tensor(p), t).item() == pytest.approx(costs.mean(), rel=1e-13)


def test_a_surprise_keeps_its_digits_in_the_tails() -> None:
    x = Tensor(np.array([40.0, -40.0, 800.0, -800.0, math.inf, -math.inf]), requires_grad=True)
    loss = nn.losses.binary_cross_entropy_with_logits(x, np.array([1, 0, 0, 1, 1, 0]), reduction="none")
    np.testing.assert_allclose(loss.numpy(), [4.248354255291589e-18] * 2 + [800] * 2 + [0, 0], rtol=1e-12)
    loss.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), [-4.248354255291589e-18, 4.248354255291589e-18, 1, -1, 0, 0], rtol=1e-12)


def test_probabilities_of_0_and_1() -> None:
    p = Tensor(np.array([0.0, 0.0, 1.0, 1.0]), requires_grad=True)
    loss = nn.losses.binary_cross_entropy(p, np.array([0, 1, 0, 1]), reduction="none")
    assert loss.numpy().tolist() == [0, 100, 100, 0]
    loss.sum().backward()
    assert p.grad is not None
    assert p.grad.numpy().tolist() == [1, 0, 0, -1]


@pytest.mark.parametrize(("loss", "_"), PAIRS)
def test_losses_refuse_what_does_not_fit(loss: Any, _: float) -> None:
    name, x = loss.__name__, Tensor([0.5, 0.5])
    with pytest.raises(ValueError, match=rf"^{name}: predictions \(2,\) need targets of the same shape, not \(2, 1\)$"):
        loss(x, np.ones((2, 1)))
    with pytest.raises(ValueError, match=rf'^{name}: reduction must be "mean", "sum" or "none", not \'avg\'$'):
        loss(x, x, reduction="avg")
    if name != "mse_loss":
        with pytest.raises(ValueError, match=rf"^{name}: targets must be between 0 and 1, not 2$"):
            loss(x, [0, 2])


def test_activation_layers() -> None:
    x = Tensor([-1.0, 0.0, 2.0])
    assert nn.ReLU()(x).numpy().tolist() == [0, 0, 2]
    np.testing.assert_allclose(nn.SiLU()(x).numpy(), [-0.26894143, 0, 1.76159418], rtol=1e-6)
    np.testing.assert_allclose(nn.GELU()(x).numpy(), [-0.15865525, 0, 1.9544997], rtol=1e-6)
    np.testing.assert_allclose(nn.GELU("tanh")(x).numpy(), [-0.15880801, 0, 1.9545977], rtol=1e-6)
