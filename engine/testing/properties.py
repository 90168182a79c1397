"""check_op and assert_gradients: checks at many points, drawn and shrunk by hypothesis.

An inconclusive point is neither a pass nor a failure. Its elements are counted, and if more elements are undecided than
decided, the whole check is Inconclusive.

Read next: `engine/testing/profiles.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from time import monotonic
from typing import Any

from hypothesis import HealthCheck, currently_in_test_context, given, settings
from hypothesis import strategies as st

from engine.primitive import Primitive
from engine.testing.checks import Report, check_vjp, gradcheck, together
from engine.testing.laws import check_at
from engine.testing.names import name_of
from engine.testing.profiles import configured
from engine.testing.report import GradientError, Inconclusive
from engine.testing.strategies import arguments
from engine.testing.tally import tally

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

seeds = st.integers(0, 2**16)


def check_op(primitive: Primitive) -> None:
    """Check every law of `engine.testing.laws` for one op, at many points drawn from the op's own examples.

    Raises GradientError at the smallest counterexample that hypothesis finds, and Inconclusive if most elements could
    not be decided.
    """

    if not isinstance(primitive, Primitive):
        raise TypeError(f"check_op: takes an op, made with @primitive, not {primitive!r}; for a function: gradcheck")

    def check(example: Any, seed: int) -> int:
        return check_at(primitive, example.arrays, example.metadata, seed)

    _everywhere("check_op", primitive.name, arguments(primitive), check)


def assert_gradients(
    f: Callable[..., Any],
    strategy: st.SearchStrategy[Any],
    *,
    vjp: Callable[..., Any] | None = None,
    order: int = 1,
    modes: Sequence[str] | None = None,
    subgradient: bool = False,
    surrogate: Callable[..., Any] | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    name: str | None = None,
    examples: int | None = None,
    seconds: float | None = None,
) -> Report:
    """Check the derivatives of a function at many points.

    Args:
        f: a function of tensors; with `vjp`, of arrays.
        strategy: draws an argument of f, or a tuple of all its arguments.
        vjp: a hand-written backward pass to check in place of the engine's derivatives, as for `check_vjp`.
        order, modes, subgradient, surrogate, rtol, atol, name: as for `gradcheck`.
        examples: how many points to draw at most, in place of the number of the current profile.
        seconds: the time after which no more points are checked; a counterexample is still shrunk.

    Raises GradientError at the smallest counterexample that hypothesis finds, and Inconclusive if most elements could
    not be decided, or none was checked.
    """

    if not isinstance(strategy, st.SearchStrategy):
        raise TypeError(f"assert_gradients: takes a strategy, not {type(strategy).__name__}; for one point: gradcheck")
    reports: list[Report] = []
    options: dict[str, Any] = {
        "subgradient": subgradient,
        "surrogate": surrogate,
        "rtol": rtol,
        "atol": atol,
        "name": name,
    }
    calls, start = tally.calls, monotonic()

    def check(drawn: Any, seed: int) -> int:
        arrays = drawn if isinstance(drawn, tuple) else (drawn,)
        if vjp is not None:
            reports.append(check_vjp(f, vjp, *arrays, seed=seed, **options))
        else:
            reports.append(gradcheck(f, *arrays, order=order, modes=modes, seed=seed, **options))
        return reports[-1].elements

    _everywhere("assert_gradients", name or name_of(f, vjp or f), strategy, check, examples, seconds)
    return together(reports, tally.calls - calls, monotonic() - start)


def _everywhere(
    caller: str,
    subject: str,
    points: st.SearchStrategy[Any],
    check: Callable[[Any, int], int],
    limit: int | None = None,
    seconds: float | None = None,
) -> None:
    """Run a check, which returns how many elements it decided, at every point that hypothesis draws."""
    decided = undecided = 0
    last: Inconclusive | None = None
    broken: str | None = None  # the law of the first failure
    end = inf if seconds is None else monotonic() + seconds
    if (limit is not None and limit < 1) or (seconds is not None and not seconds > 0):
        raise ValueError(f"{caller}: examples and seconds are numbers above 0, not {limit!r} and {seconds!r}")
    _refuse_nesting(caller)

    def check_in_time(point: Any, seed: int) -> int:
        late = monotonic() > end and decided + undecided > 0 and broken is None
        return 0 if late else check(point, seed)

    # Without random seeds, hypothesis derives the examples from the source of this function, comments included.

    @given(points, seeds)
    def holds(point: Any, seed: int) -> None:
        nonlocal decided, undecided, last, broken
        tally.examples += 1
        try:
            decided += check_in_time(point, seed)
        except Inconclusive as error:
            decided, undecided, last = decided + error.checked - error.undecided, undecided + error.undecided, error
        except GradientError as error:
            broken = broken or error.law
            if error.law == broken:  # shrink what was found, not something else that is wrong as well
                raise

    holds.__name__ = subject  # hypothesis stores failing examples under this name
    try:
        configured(holds, limit)()
    except GradientError as error:
        error.__notes__ = []  # remove hypothesis's text about the example; the report has a snippet
        raise
    if last is not None and undecided > decided:
        raise Inconclusive(
            f"{subject}: inconclusive, {undecided} of {decided + undecided} elements could not be decided; "
            f"draw points farther from kinks, or say subgradient=True. The last one: {last}",
            undecided,
            decided + undecided,
        )


def _refuse_nesting(caller: str) -> None:
    """Raise RuntimeError inside a test of `@given`, unless its settings allow tests inside tests."""
    nested = getattr(HealthCheck, "nested_given", None)  # which older versions of hypothesis do not have
    if nested and currently_in_test_context() and nested not in settings().suppress_health_check:
        raise RuntimeError(
            f"{caller}: draws points by itself, and so does the @given around it; take @given away, "
            "or let it draw the point and call gradcheck, check_vjp or check_at"
        )
