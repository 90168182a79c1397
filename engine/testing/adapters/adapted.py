"""Adapted: a function of a framework's tensors as a function of a flat list of arrays, with its backward pass.

So every leaf of the arguments is an array of its own for the checker, under its name in the source or in the module.

Read next: `engine/testing/adapters/torch.py`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.testing.checks import Report, Rule, check_rule
from engine.testing.report import GradientError
from engine.testing.snippets import call

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

Function = Callable[..., Any]

REFUSALS = (  # what PyTorch and JAX say of a backward pass that they cannot use
    "returned an invalid gradient",
    "returned an incorrect number of gradients",
    "expected Variable or None",
    "modified by an inplace operation",
    "Custom VJP bwd rule must",
)


@dataclass(frozen=True)
class Adapted:
    """What a check of a framework hands on to `check_vjp`.

    Fields:
        check: the name of the check.
        subject: the name of the function in reports.
        names, xs: the names and values of the arrays that are moved.
        value: arrays like `xs` -> the floating results, a list of arrays.
        vjp: a list of cotangents, and arrays like `xs` -> the gradient in each, or None.
        surrogate: as for `check_vjp`, of arrays like `xs`.
        snippet: writes source that repeats the check.
    """

    check: str
    subject: str
    names: Sequence[str]
    xs: Sequence[Array]
    value: Function
    vjp: Function
    surrogate: Function | None
    snippet: Callable[[], str]

    def compare(self, **options: Any) -> Report:
        """Compare with central differences; the options are those of `check_rule`. Raises GradientError."""
        if not self.xs:
            raise TypeError(f"{self.check}: none of the arguments of {self.subject} is a floating array to be moved")
        rule = Rule(self.check, self.subject, self.names, self.value, self.vjp, self.surrogate)
        return check_rule(rule, self.xs, self.snippet, **options)


def framework(check: str, module: str, title: str) -> Any:
    """The module of a framework. ImportError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise ImportError(f'{check}: needs {title}: pip install "blameflow[{module}]"') from None


def floating(check: str, dtype: Any) -> np.dtype[Any]:
    """The dtype to check in. TypeError if it is not one of NumPy's floating dtypes of 64 bits or fewer."""
    try:
        found = np.dtype(str(dtype).removeprefix("torch.") if type(dtype).__module__ == "torch" else dtype)
    except TypeError:
        found = np.dtype(object)
    if found.kind != "f" or found.itemsize > 8:
        raise TypeError(f"{check}: dtype is float64, float32 or float16, not {dtype!r}")
    return found


@contextmanager
def refusing(subject: str) -> Iterator[None]:
    """A context in which a gradient that the framework refuses, as one of a wrong shape, is a GradientError."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        if not any(words in reason for words in REFUSALS):
            raise
        raise GradientError(f"{subject}: {reason}") from error


def targeted(surrogate: Function | None, at: Callable[[Function, Sequence[Array]], Any]) -> Function | None:
    """A surrogate of the framework's tensors as one of arrays; `at` calls a function with the arrays as its arguments.

    It returns results, or else the function that is meant at the point.
    """
    if surrogate is None:
        return None

    def of_arrays(*xs: Array) -> Any:
        found = at(surrogate, xs)
        return (lambda *ys: at(found, ys)) if callable(found) else found

    return of_arrays


def written(check: str, subjects: dict[str, Any], arguments: Sequence[Any], **options: Any) -> Callable[[], str]:
    """A function that writes the source of a check, with the options that differ from the defaults."""
    dtype = options.pop("dtype")
    narrow = {"dtype": dtype.name} if dtype != np.float64 else {}
    given = {key: value for key, value in options.items() if value}
    return lambda: call(check, subjects, arguments, **narrow, **given)
