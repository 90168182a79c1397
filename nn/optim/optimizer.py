"""Optimizer: what all update rules share: parameters, settings, and the state kept between steps.

A rule is given one parameter's value, its gradient and a dictionary for its state, all plain arrays, and changes the
value in place. The base class calls it for every parameter that has a gradient and raises the parameter's version, so
that a backward pass through the old value is an error. Half precision is updated in float32, where its state stays too,
and rounded once.

The invariant: state belongs to a parameter's position among all parameters of all groups. So an optimizer can be copied
or pickled together with its parameters, and `state_dict` can be loaded by one that was made anew.

Read next: `nn/optim/sgd.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from engine import Tensor, versions
from engine.arrays import Array
from nn.settings import not_negative, size
from nn.state import checked
from nn.trainable import described, items, leaves, once

State = dict[str, Array]
_SAVED = {"kind", "steps", "groups", "state"}


class Optimizer:
    """Base class: `step()` after `backward()`, then `zero_grad()`.

    Args:
        parameters: tensors, or groups `{"params": [...], "weight_decay": ...}` that override settings, as in PyTorch.
        settings: numbers such as `lr`, readable and writable in each of `groups`; `lr` also as an attribute.

    Fields:
        update: the rule, (value, gradient, state, **settings): changes `value` in place.
        checks: each setting of the rule, and the function of `nn/settings.py` that checks it.
        keeps: the arrays in a parameter's state, all or none of them; each has the parameter's shape, "steps" has ().
    """

    update: Callable[..., None]
    checks: ClassVar[dict[str, Callable[[str, str, Any], Any]]]
    keeps: ClassVar[tuple[str, ...]]

    def __init__(self, parameters: Iterable[Any], **settings: Any) -> None:
        self._kind = type(self).__name__
        given = items(self._kind, parameters)
        groups = given if any(isinstance(group, dict) for group in given) else [{"params": given}]
        self.groups = [self._group(group, settings) for group in groups]
        self.steps = 0
        self.state: dict[int, State] = {}  # by position
        once(self._kind, self.parameters())

    def _group(self, group: Any, settings: dict[str, Any]) -> dict[str, Any]:
        """One group as it is kept: its parameters as a list, and every setting."""
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(f'{self._kind}: a group must be a dict with a list of tensors under "params"')
        return {"params": leaves(self._kind, group["params"]), **self._settings({**settings, **group})}

    def _settings(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a group, checked; a TypeError if one is missing or unknown."""
        unknown = [name for name in group if name not in self.checks and name != "params"]
        missing = [name for name in self.checks if name not in group]
        if unknown or missing:
            what = f"no setting {unknown[0]!r}" if unknown else f"setting {missing[0]!r} is missing"
            raise TypeError(f"{self._kind}: {what}; a group has {', '.join(['params', *self.checks])}")
        return {name: check(self._kind, name, group[name]) for name, check in self.checks.items()}

    def parameters(self) -> list[Tensor]:
        """All parameters of all groups, in order."""
        return [p for group in self.groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate of the first group; setting it sets the learning rate of all groups."""
        return float(self.groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.groups:
            group["lr"] = not_negative(self._kind, "lr", value)

    def step(self) -> None:
        """Update every parameter that has a gradient.

        Raises, before any is updated, for a setting that is not allowed or a gradient of another shape.
        """
        updates = []
        positions = iter(range(len(self.parameters())))
        for group in self.groups:
            settings = self._settings(group)
            for p, position in zip(group["params"], positions):
                if p.grad is not None:
                    if not isinstance(p.grad, Tensor) or p.grad.shape != p.shape:
                        raise ValueError(f"{self._kind}: the gradient of {described(p)} must be a Tensor of that shape")
                    updates.append((p.array, p.grad.array, self.state.setdefault(position, {}), settings))
        self.steps += 1
        for value, g, state, settings in updates:
            if value.itemsize < 4:
                wide = value.astype(np.float32)
                self.update(wide, g.astype(np.float32), state, **settings)
                value[...] = wide
            else:
                self.update(value, g, state, **settings)
            versions.bump(value)

    def zero_grad(self) -> None:
        """Set all gradients to None."""
        for p in self.parameters():
            p.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """All that a step depends on besides the parameters: copies of the arrays, by position, and plain numbers."""
        positions = iter(range(len(self.parameters())))
        return {
            "kind": self._kind,
            "steps": self.steps,
            "groups": [{**group, "params": [next(positions) for _ in group["params"]]} for group in self.groups],
            "state": {
                position: {name: array.copy() for name, array in state.items()}
                for position, state in self.state.items()
                if state
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where the optimizer of `state` stood: its settings, and copies of its arrays.

        Raises TypeError or ValueError, and changes nothing, if that was another kind of optimizer, or had other numbers
        or shapes of parameters.
        """
        owner = f"{self._kind}.load_state_dict"
        if not isinstance(state, Mapping) or state.keys() != _SAVED:
            raise TypeError(f"{owner}: give what state_dict() of an optimizer returned")
        if state["kind"] != self._kind:
            raise ValueError(f"{owner}: this is the state of {state['kind']}")
        counts, mine = ([len(g["params"]) for g in groups] for groups in (state["groups"], self.groups))
        if counts != mine:
            raise ValueError(f"{owner}: the state has groups of {counts} parameters, and this optimizer of {mine}")
        settings = [self._settings(group) for group in state["groups"]]
        given = {f"state {k} {name}": array for k, kept in state["state"].items() for name, array in kept.items()}
        needed = {
            f"state {k} {name}": np.broadcast_to(np.zeros((), _wide(p.dtype)), () if name == "steps" else p.shape)
            for k, p in enumerate(self.parameters())
            if state["state"].get(k)
            for name in self.keeps
        }
        found = checked(owner, needed, given, {})
        steps = size(owner, "steps", state["steps"], least=0)
        for group, loaded in zip(self.groups, settings, strict=True):
            group.update(loaded)
        self.steps = steps
        self.state = {
            k: {name: found[f"state {k} {name}"].astype(_wide(p.dtype)) for name in self.keeps}
            for k, p in enumerate(self.parameters())
            if state["state"].get(k)
        }


def _wide(dtype: Any) -> Any:
    """The dtype in which a parameter is updated."""
    return np.promote_types(dtype, np.float32)
