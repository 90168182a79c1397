"""Random programs mean what they print, stay within their bounds, shrink, and find what is wrong with a sweep."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

import engine
from engine import Tensor, sweeps
from engine.testing.numeric import directional
from engine.testing.programs import LIMIT, MOVES, Program, Step, Value, calls, programs

Call = tuple[Program, tuple[Any, ...]]
SOME = settings(phases=[Phase.generate], max_examples=5000)  # any that holds, not the smallest
SMALLEST = settings(phases=[Phase.generate, Phase.shrink], max_examples=5000)


def uses(program: Program) -> Counter[int]:
    return Counter(k for step in program.steps for k in step.uses())


def ops(program: Program) -> set[str]:
    return {step.op for step in program.steps}


@given(calls())
def test_the_source_of_a_program_does_what_the_program_does(call: Call) -> None:
    program, arrays = call
    names: dict[str, Any] = {"engine": engine}
    exec(program.source(), names)
    np.testing.assert_array_equal(names["program"](*arrays), program(*arrays))
    np.testing.assert_array_equal(program(*map(Tensor, arrays)).numpy(), program(*arrays))


@given(calls())
def test_values_and_slopes_stay_small(call: Call) -> None:
    program, arrays = call
    values, slopes = engine.jvp(program, arrays, tuple(np.cos(100 * a) for a in arrays))
    assert np.abs(values.numpy()).max() <= LIMIT
    assert np.abs(slopes.numpy()).max() <= LIMIT


@given(calls())
def test_a_pruned_program_is_the_same_function_of_what_it_needs(call: Call) -> None:
    program, arrays = call
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    reached = {node.serial for node in engine.graph.reachable(program(*tensors).node)}
    needed = [a for a, x in zip(arrays, tensors, strict=True) if x.node is not None and x.node.serial in reached]
    pruned = program.pruned()
    assert len(pruned.shapes) == len(needed)
    np.testing.assert_array_equal(pruned(*needed), program(*arrays))
    assert set(uses(pruned)) == set(range(len(pruned.shapes) + len(pruned.steps) - 1))
    assert pruned.pruned() == pruned


@pytest.mark.parametrize(
    "holds",
    [
        lambda p: max(uses(p).values(), default=0) >= 3,
        lambda p: any(len(set(step.uses())) == 2 for step in p.pruned().steps),
        lambda p: len(p.pruned().shapes) < len(p.shapes),
        lambda p: len(p.pruned().steps) < len(p.steps),
        lambda p: len(p.pruned().shapes) == 3,
        lambda p: len(p.pruned().steps) >= 8,
        lambda p: len(set(map(len, p.shapes))) == 3,
    ],
    ids=["fan-out", "two operands", "unused input", "unused step", "three inputs", "long", "broadcasting"],
)
def test_programs_of_each_kind_occur(holds: Callable[[Program], bool]) -> None:
    find(programs(), holds, settings=SOME)


OPS = sorted({move.patterns(np.zeros((2, 2)))[0].op for move in MOVES})
SAMPLE = {"concat", "getitem", "multiply", "softmax", "tanh"}  # of every form: several arguments, metadata, fused


@pytest.mark.parametrize("op", [pytest.param(op, marks=() if op in SAMPLE else pytest.mark.deep) for op in OPS])
def test_programs_shrink_to_the_steps_that_matter(op: str) -> None:
    def forks(program: Program) -> bool:
        needed = program.pruned()
        return op in ops(needed) and max(uses(needed).values()) > 1

    found = find(programs(), forks, settings=SMALLEST)
    assert len(found.steps) <= 2
    assert len(found.shapes) == 1
    assert np.prod(found.shapes[0]) <= 2
    assert found == found.pruned()


# ---- wrong sweeps ----------------------------------------------------------------------------------------------------

MISTAKES = {
    "= for +=": ("(widened(before) if contribution.dtype is HALF else before) + contribution", "contribution"),
    "the first only": ("(widened(before) if contribution.dtype is HALF else before) + contribution", "before"),
    "twice": ("else before) + contribution", "else before) + contribution + contribution"),
    "any order": ("heappop(pending)[1]", "pending.pop()[1]"),
    "not saved for": ("contribution = run(g, saved)", "contribution = run(g, saved); g = contribution"),
}


def mistaken(before: str, after: str) -> Any:
    """The reverse sweep, and how it adds contributions, with one piece of their source replaced."""
    source = inspect.getsource(sweeps.reverse_sweep) + inspect.getsource(sweeps._added)
    assert source.count(before) == 1
    names = dict(vars(sweeps))
    exec(source.replace(before, after), names)
    return names["reverse_sweep"]


def is_right(sweep: Any, call: Call) -> bool:
    """Whether a sweep gives the gradient that central differences give; an error is wrong too."""
    program, arrays = call
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    out = program(*tensors)
    rng = np.random.default_rng(0)
    u, *vs = (rng.normal(size=a.shape) for a in (out, *arrays))
    try:
        found = sweep(out.node, u)
    except Exception:
        return False
    slope = sum(np.vdot(found[x.node], v) for x, v in zip(tensors, vs, strict=True) if x.node in found)
    truth = directional(lambda *moved: np.vdot(u, program(*moved)), arrays, vs)
    return bool(abs(slope - truth.value) <= 10 * truth.error + 1e-7)


@given(calls())
def test_the_sweep_as_it_is_is_right(call: Call) -> None:
    assert is_right(sweeps.reverse_sweep, call)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_sweep_is_found_with_a_program_of_at_most_three_steps(mistake: str) -> None:
    sweep = mistaken(*MISTAKES[mistake])
    program, _ = find(calls(), lambda call: not is_right(sweep, call), settings=SMALLEST)
    assert len(program.steps) <= 3, program
    assert program == program.pruned()


def test_a_step_shows_its_constants() -> None:
    step = Step("getitem", (Value(0), ([0, 0], slice(None, None, -1), ...)))
    assert step.source(["x0"]) == "engine.getitem(x0, ([0, 0], slice(None, None, -1), Ellipsis))"
