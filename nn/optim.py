"""Optimizers: each is its update rule and little more.

A rule is given one parameter's value, its gradient and a dictionary for the state it keeps between steps, all plain
arrays, and changes the value in place. The base class calls it for every parameter and raises the parameter's version,
so that a backward pass through the old value is an error.

Read next: `nn/schedules.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from engine import Tensor, versions
from engine.arrays import Array

State = dict[str, Array]


class Optimizer:
    """Base class: `step()` after `backward()`, then `zero_grad()`.

    Args:
        parameters: tensors, or groups `{"params": [...], "weight_decay": ...}` that override settings, as in PyTorch.
        settings: numbers such as `lr`, readable and writable as attributes of a group; `lr` also of the optimizer.
    """

    update: Callable[..., None]  # the rule, (value, gradient, state, **settings): changes `value` in place

    def __init__(self, parameters: Iterable[Any], **settings: Any) -> None:
        given = list(parameters)
        if not given:
            raise ValueError(f"{type(self).__name__}: no parameters to optimize")
        groups = given if isinstance(given[0], dict) else [{"params": given}]
        self.groups = [{**settings, **group} for group in groups]
        self.steps = 0
        self.state: dict[int, State] = {}
        for p in self.parameters():
            if not isinstance(p, Tensor) or not p.is_leaf or not p.requires_grad:
                raise TypeError(f"{type(self).__name__}: can only optimize leaf tensors with requires_grad, not {p!r}")

    def parameters(self) -> list[Tensor]:
        """All parameters of all groups."""
        return [p for group in self.groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate of the first group; setting it sets the learning rate of all groups."""
        return float(self.groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.groups:
            group["lr"] = value

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        self.steps += 1
        for group in self.groups:
            settings = {name: value for name, value in group.items() if name != "params"}
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p.array, p.grad.array, self.state.setdefault(id(p), {}), **settings)
                    versions.bump(p.array)

    def zero_grad(self) -> None:
        """Set all gradients to None."""
        for p in self.parameters():
            p.zero_grad()


class SGD(Optimizer):
    """Gradient descent, value -= lr * velocity, with velocity = momentum * velocity + gradient."""

    def __init__(
        self, parameters: Iterable[Any], *, lr: float, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def update(self, value: Array, g: Array, state: State, *, lr: float, momentum: float, weight_decay: float) -> None:
        if weight_decay:
            g = g + weight_decay * value
        if momentum:
            velocity = state.setdefault("velocity", np.zeros_like(value))
            velocity *= momentum
            velocity += g
            g = velocity
        value -= lr * g


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    mean and square are decaying averages of the gradient and of its square, divided by 1 - beta^steps because both
    start at zero:

        value -= lr * (mean / (sqrt(square) + eps) + weight_decay * value)
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(
        self,
        value: Array,
        g: Array,
        state: State,
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        mean = state.setdefault("mean", np.zeros_like(value))
        square = state.setdefault("square", np.zeros_like(value))
        steps = state.setdefault("steps", np.zeros(()))
        steps += 1
        mean += (1 - betas[0]) * (g - mean)
        square += (1 - betas[1]) * (g * g - square)
        scale = np.sqrt(square)
        scale *= 1 / math.sqrt(1 - betas[1] ** float(steps))
        scale += eps
        np.divide(mean, scale, out=scale)
        scale *= lr / (1 - betas[0] ** float(steps))
        if weight_decay:
            value *= 1 - lr * weight_decay
        value -= scale


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients by one factor so that their joint 2-norm is at most `max_norm`; returns the norm before.

    Raises FloatingPointError, before any gradient is scaled, if a gradient is infinite or nan, or the norm overflows.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: max_norm must not be negative, and is {max_norm}")
    gradients = [(p, p.grad.array) for p in parameters if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for _, g in gradients))
    if not math.isfinite(norm):
        bad = (f"the gradient of {p.name or p.shape}" for p, g in gradients if not np.isfinite(g).all())
        what = next(bad, "the norm of the gradients")
        raise FloatingPointError(f"clip_grad_norm: {what} is not finite; lower the learning rate")
    if norm > max_norm:
        for p, g in gradients:
            p.grad = Tensor(g * float(max_norm / norm))  # a Python float leaves float32 arrays float32
    return norm
