"""check_torch_function and check_torch_module: the backward passes of PyTorch.

Gradients come from `torch.autograd.grad`, and so from the graph that PyTorch records. A module is copied; the module
itself, its gradients and its buffers stay as they are.

Read next: `engine/testing/adapters/program.py`, one run of a function or module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.testing.adapters.adapted import Adapted, floating, framework, refusing, targeted, written
from engine.testing.adapters.contract import hold_contract
from engine.testing.adapters.program import Arguments, Program, array_of
from engine.testing.checks import Report
from engine.testing.names import name_of, named
from engine.testing.report import GradientError

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked


def check_torch_function(
    function: Any,
    *arrays: Any,
    dtype: Any = "float64",
    subgradient: bool = False,
    surrogate: Callable[..., Any] | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    name: str | None = None,
    seed: int = 0,
) -> Report:
    """Compare the backward pass of a function of tensors with central differences.

    Args:
        function: a subclass of torch.autograd.Function, or any function of tensors. Its floating results are checked,
            alone or in lists, tuples and dicts; not those that a Function has marked as non-differentiable.
        arrays: its arguments. Floating arrays and tensors are moved, also in lists, tuples and dicts; integer ones
            become tensors; numbers, strings, None and so on are passed through.
        dtype: that of the floating arguments; "float32" also compares the rule in float32 with the rule in float64.
        subgradient, surrogate, rtol, atol, name, seed: as for `check_vjp`; the surrogate is a function of tensors. The
            seed is that of the function's random numbers as well, which are the same in every call.

    The gradients must also be the same a second time, after another call, for one argument alone, and for one result
    alone. Raises GradientError and Inconclusive as `check_vjp` does, and ImportError without PyTorch.
    """
    check = "check_torch_function"
    torch = framework(check, "torch", "PyTorch")
    if isinstance(function, torch.nn.Module) or not callable(function):
        raise TypeError(
            f"{check}: takes a torch.autograd.Function or a function of tensors, not a {type(function).__name__}; "
            "for a module: check_torch_module"
        )
    dtype = floating(check, dtype)
    declared = isinstance(function, type) and issubclass(function, torch.autograd.Function)
    places = _places(torch, function, len(arrays)) if declared else named(len(arrays), function)
    arguments = Arguments(torch, check, places, arrays, dtype)
    program = Program(torch, check, name or name_of(function), function.apply if declared else function, arguments)
    program = replace(program, declared=declared, seed=seed)

    def at(f: Callable[..., Any], xs: Sequence[Array]) -> Any:
        return _evaluated(replace(program, apply=f, declared=False), xs)

    options = {"subgradient": subgradient, "rtol": rtol, "atol": atol, "seed": seed}
    given = {"dtype": dtype, "surrogate": surrogate, "name": name, **options}
    snippet = written(check, {"function": function}, arguments.written, **given)
    return _compare(program, arguments.names, arguments.xs, targeted(surrogate, at), snippet, options)


def check_torch_module(
    module: Any,
    *arrays: Any,
    dtype: Any = "float64",
    subgradient: bool = False,
    surrogate: Any = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    name: str | None = None,
    seed: int = 0,
) -> Report:
    """Compare the gradients of a module's inputs and parameters with central differences.

    Args:
        module: a torch.nn.Module, in the mode that it is in. A copy is checked. Parameters that require no gradient
            are not moved.
        arrays, dtype, subgradient, rtol, atol, name, seed: as for `check_torch_function`; the parameters are moved in
            the same dtype.
        surrogate: where the gradients are deliberately those of another module, that module, with parameters of the
            same names, which get the same values.

    Raises GradientError and Inconclusive as `check_vjp` does, and ImportError without PyTorch.
    """
    check = "check_torch_module"
    torch = framework(check, "torch", "PyTorch")
    for one, role in ((module, "takes"), (surrogate, "surrogate is")):
        if not isinstance(one, torch.nn.Module) and (one is not None or role == "takes"):
            raise TypeError(f"{check}: {role} a torch.nn.Module, not a {type(one).__name__}")
    dtype = floating(check, dtype)
    arguments = Arguments(torch, check, named(len(arrays), module.forward), arrays, dtype)
    program = _copied(torch, check, name or type(module).__name__, module, arguments, seed)
    target = None
    if surrogate is not None:
        other = _copied(torch, check, program.subject, surrogate, arguments, seed)
        if list(other.parameters) != list(program.parameters):
            raise TypeError(f"{check}: the surrogate has parameters of other names than the module's")

        def target(*xs: Array) -> Any:
            return _evaluated(other, xs)

    values = [array_of(p.double()).astype(dtype) for p in program.parameters.values()]
    options = {"subgradient": subgradient, "rtol": rtol, "atol": atol, "seed": seed}
    given = {"dtype": dtype, "surrogate": surrogate, "name": name, **options}
    snippet = written(check, {"module": module}, arguments.written, **given)
    names = [*arguments.names, *program.parameters]
    return _compare(program, names, [*arguments.xs, *values], target, snippet, options)


def _compare(
    program: Program,
    names: Sequence[str],
    xs: Sequence[Array],
    surrogate: Callable[..., Any] | None,
    snippet: Callable[[], str],
    options: dict[str, Any],
) -> Report:
    """Compare the values of the gradients, then check how autograd gets them."""

    def value(*xs: Array) -> list[Array]:
        return program.run(xs).values()

    def vjp(gs: Sequence[Array], *xs: Array) -> Sequence[Array | None]:
        graph = program.run(xs)
        with refusing(program.subject):
            return graph.pull(gs)

    report = Adapted(program.check, program.subject, names, xs, value, vjp, surrogate, snippet).compare(**options)
    try:
        hold_contract(program, names, [x.astype(np.float64) for x in xs], program.seed)
    except GradientError as error:
        error.snippet = snippet()
        raise
    return report


def _evaluated(program: Program, xs: Sequence[Array]) -> Any:
    """The results of a surrogate at arrays, or the function that it returns."""
    with program.as_at_first(xs[0].dtype):
        _, out = program.outcome(xs)
    return out if callable(out) else [array_of(one) for one in program.results(out)]


def _places(torch: Any, function: Any, count: int) -> list[str]:
    """The names of the arguments of a Function; if it has no `setup_context`, its forward takes ctx before them."""
    if function.setup_context is not torch.autograd.Function.setup_context:
        return named(count, function.forward)
    return named(count + 1, function.forward)[1:]


def _copied(torch: Any, check: str, subject: str, module: Any, arguments: Arguments, seed: int) -> Program:
    """A program that runs a copy of a module."""
    if any(torch.nn.parameter.is_lazy(p) for p in module.parameters()):
        raise TypeError(f"{check}: {subject} has parameters without a shape yet; call the module once before")
    try:
        with torch.inference_mode(False):
            copy = deepcopy(module)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise TypeError(f"{check}: {subject} cannot be copied: {reason}") from error
    if any(p.is_complex() for p in copy.parameters()):
        raise TypeError(f"{check}: {subject} has complex parameters; check one with real and imaginary parts")
    copy.zero_grad(set_to_none=True)
    return Program(
        torch,
        check,
        subject,
        copy,
        arguments,
        {name: p for name, p in copy.named_parameters() if p.requires_grad},
        [(owner, key, value) for owner in copy.modules() for key, value in owner.named_buffers(recurse=False)],
        [(p, p.data) for p in copy.parameters() if not p.requires_grad],
        seed=seed,
    )
