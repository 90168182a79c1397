"""Who takes part in the benchmarks of training: each makes, for a workload, a function that does one training step.

A step is forward, backward, clipping and AdamW, and returns the loss before the update. All start from the same values
and read the same text, so their first losses agree.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from benchmarks.contest import NotHereError
from benchmarks.workload import CLIP, SETTINGS, Workload

Step = Callable[[], float]


# ---- ours ----------------------------------------------------------------------------------------------------------


def ours(workload: Workload, *, kernels: str, tuned: bool, checkpointed: bool = False) -> Step:
    """A script that trains; with `engine.tune()` in its first line or without."""
    import engine

    engine.kernels.use(kernels)
    if tuned:
        engine.tune()
    ids, labels = workload.text()

    def backward(model: Any) -> float:
        loss = model.loss(ids, labels)
        loss.backward()
        return float(loss.item())

    def backward_of(model: Any) -> Step:
        if checkpointed:
            for block in model.blocks:
                block.forward = engine.checkpoint(block.forward)
        return partial(backward, model)

    return _stepping(workload, backward_of)


def command_line(workload: Workload) -> Step:
    """As `blameflow train` does it: tuned, the batch in two halves, one of them in a second process."""
    from gpt.__main__ import prepare

    prepare()  # before NumPy is imported
    import numpy as np

    from gpt.training.parallel import Parallel

    ids, labels = workload.text()
    pieces = list(zip(np.array_split(ids, 2), np.array_split(labels, 2), strict=True))
    return _stepping(workload, lambda model: partial(Parallel(model, parts=2).backward, pieces))


def _stepping(workload: Workload, backward_of: Callable[[Any], Step]) -> Step:
    """A step of a new model, given what makes the function that computes its loss and gradients."""
    from nn import clip_grad_norm
    from nn.optim import AdamW

    model = workload.model()
    parameters = model.parameters()
    optimizer = AdamW(parameters, **SETTINGS)
    backward = backward_of(model)

    def step() -> float:
        loss = backward()
        clip_grad_norm(parameters, CLIP)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return step


# ---- PyTorch -------------------------------------------------------------------------------------------------------


def torch_model(workload: Workload) -> Any:
    """The model in PyTorch, with the same values."""
    import torch

    from benchmarks.torch_gpt import TorchGPT

    model = TorchGPT(workload.config)
    state = workload.model().state_dict()
    if workload.config.tie:
        state["head.weight"] = state["embedding.weight"]  # PyTorch wants it under both paths
    model.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    return model


def pytorch(workload: Workload, *, compiled: bool = False, checkpointed: bool = False) -> Step:
    """As installed; with `compiled`, what it has for speed: a compiled model and a fused optimizer."""
    import torch
    from torch.utils.checkpoint import checkpoint

    if compiled and not any(map(shutil.which, [os.environ.get("CXX") or "c++", "g++", "clang++"])):
        raise NotHereError("torch.compile needs a C++ compiler, and none is on PATH")
    model = torch_model(workload)
    if checkpointed:
        for block in model.blocks:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    loss_of = torch.compile(model.loss) if compiled else model.loss
    optimizer = torch.optim.AdamW(model.parameters(), **SETTINGS, fused=compiled or None)
    ids, labels = (torch.from_numpy(array) for array in workload.text())

    def step() -> float:
        loss = loss_of(ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step


# ---- JAX and HIPS autograd -----------------------------------------------------------------------------------------


def jax(workload: Workload) -> Step:
    """The whole step in one compiled function, which may reuse the memory of the state it is given."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax
    import jax.numpy as jnp

    from benchmarks.functional_gpt import Library, State, loss, updated

    config, library = workload.config, Library(jnp, jax.lax.stop_gradient)
    ids, labels = map(jnp.asarray, workload.text())
    state = State.of({name: jnp.asarray(value) for name, value in workload.model().state_dict().items()})

    @partial(jax.jit, donate_argnums=0)
    def stepped(state: State) -> Any:
        value, gradients = jax.value_and_grad(loss)(state.parameters, ids, labels, config, library)
        return updated(state, gradients, jnp), value

    def step() -> float:
        nonlocal state
        state, value = stepped(state)
        jax.block_until_ready(state)
        return float(value)

    return step


def autograd(workload: Workload) -> Step:
    import autograd.numpy
    import numpy as np
    from autograd import value_and_grad
    from autograd.tracer import getval

    from benchmarks.functional_gpt import Library, State, loss, updated

    ids, labels = workload.text()
    config, library = workload.config, Library(autograd.numpy, getval)
    differentiated = value_and_grad(loss)
    state = State.of(workload.model().state_dict())

    def step() -> float:
        nonlocal state
        value, gradients = differentiated(state.parameters, ids, labels, config, library)
        state = updated(state, gradients, np)
        return float(value)

    return step


class Contestant(NamedTuple):
    """What it is called in a table, and what makes its step."""

    title: str
    step: Callable[[Workload], Step]


CONTESTANTS = {
    "pytorch": Contestant("PyTorch, eager", pytorch),
    "pytorch-compiled": Contestant("PyTorch, compiled, fused AdamW", partial(pytorch, compiled=True)),
    "jax": Contestant("JAX, jit", jax),
    "autograd": Contestant("HIPS autograd", autograd),
    "plain": Contestant("blameflow, NumPy alone", partial(ours, kernels="numpy", tuned=False)),
    "plain-tuned": Contestant("blameflow, NumPy alone, tuned", partial(ours, kernels="numpy", tuned=True)),
    "fast": Contestant("blameflow, kernels", partial(ours, kernels="numba", tuned=False)),
    "fast-tuned": Contestant("blameflow, kernels, tuned", partial(ours, kernels="numba", tuned=True)),
    "command-line": Contestant("`blameflow train`", command_line),
}
