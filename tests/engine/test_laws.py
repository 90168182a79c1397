"""Every law of `engine.testing` holds for every op; counts show that no op and no law is left out."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings

import engine
import gpt
import nn
import viz
from engine.primitive import Primitive, registry
from engine.testing import check_op
from engine.testing.claims import Case, differentiable
from engine.testing.laws import LAWS
from engine.testing.tally import tally

PACKAGES = (engine, nn, viz, gpt)
OPS = dict(registry)

OF_EVERY_OP = {
    *("vjp rule", "jvp rule", "transpose", "linear in g", "twice = 2 x once", "swept again"),
    *("recorded = raw", "second derivative", "forward over reverse", "reverse over forward"),
    *("recorded in g", "recorded in t", "layouts", "float16", "float32", "kept"),
}
OF_SOME: dict[str, Callable[[Primitive], bool]] = {
    "alone = together": lambda op: len(differentiable(op, [np.zeros(1)] * arguments(op))) > 1,
    "fused = reference": lambda op: op.reference is not None,
    "zero cotangent": lambda op: op.pointwise or op.along is not None,
    "range": lambda op: op.degree is not None,
    "mixed dtypes": lambda op: op.broadcasts or op.name == "astype",
}


def arguments(op: Primitive) -> int:
    return 2 if op.signature.variadic else len(op.signature.arguments)


def checks_of(op: Primitive) -> Counter[str]:
    """How many checks were made of an op so far, by law."""
    return Counter({law: entry.checks for (subject, law), entry in tally.entries.items() if subject == op.name})


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_every_law_holds(op: Primitive, monkeypatch: pytest.MonkeyPatch) -> None:
    points: Counter[str] = Counter()

    def counted(law: Callable[[Case], None]) -> Callable[[Case], None]:
        def count_and_check(case: Case) -> None:
            points[law.__name__] += 1
            law(case)

        return count_and_check

    monkeypatch.setattr("engine.testing.laws.LAWS", tuple(map(counted, LAWS)))
    examples, checks = tally.examples, checks_of(op)
    check_op(op)
    drawn = tally.examples - examples
    assert drawn > 0
    assert points == {law.__name__: drawn for law in LAWS}
    assert set(checks_of(op) - checks) == OF_EVERY_OP | {law for law, applies in OF_SOME.items() if applies(op)}


OPTIONAL = ("torch", "jax", "numba")


def test_every_op_is_checked() -> None:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                try:
                    importlib.import_module(module.name)
                except ModuleNotFoundError as error:
                    if error.name not in OPTIONAL:  # those packages bring no op, and need not be installed
                        raise
    names = {package.__name__ for package in PACKAGES}
    assert {name: op for name, op in registry.items() if op.__module__.partition(".")[0] in names} == OPS
    assert {op.name for op in vars(engine).values() if isinstance(op, Primitive)} <= set(OPS)


def test_by_default_60_points_are_drawn_of_each() -> None:
    assert settings.get_profile("gradcheck-ci").max_examples == 60
