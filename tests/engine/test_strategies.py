"""The strategies draw what they promise, and a mistake shrinks to something short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import engine
from engine import Tensor
from engine.backward import gradients
from engine.examples import Arguments, Domain, Draw
from engine.primitive import Primitive
from engine.testing import check_op
from engine.testing.strategies import (
    arguments,
    arrays,
    away_from,
    axes,
    axis,
    broadcastable,
    distinct,
    dtypes,
    index_expressions,
    layouts,
    nonzero,
    positive,
    real,
    shapes,
    unit,
)
from tests.engine import planted

SOME = settings(phases=[Phase.generate], max_examples=5000)  # any that holds, not the smallest

# ---- shapes ----------------------------------------------------------------------------------------------------------


@given(shapes(min_dims=1, max_dims=2, min_side=1, max_side=4))
def test_shapes_keep_to_their_limits(shape: tuple[int, ...]) -> None:
    assert len(shape) in (1, 2)
    assert set(shape) <= {1, 2, 3, 4}


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (3, 3, 3)])
def test_every_kind_of_shape_occurs(shape: tuple[int, ...]) -> None:
    find(shapes(), lambda found: found == shape, settings=SOME)


@given(broadcastable(3, (real, positive, nonzero)))
def test_broadcastable_arrays_broadcast_and_keep_their_domains(found: tuple[Any, ...]) -> None:
    np.broadcast_shapes(*[x.shape for x in found])
    assert (found[1] >= 0.5).all()
    assert (np.abs(found[2]) >= 0.5).all()


@given(shapes().flatmap(lambda shape: st.tuples(st.just(shape), axes(len(shape)))))
def test_axes_are_what_reductions_take(drawn: tuple[tuple[int, ...], Any]) -> None:
    shape, found = drawn
    np.sum(np.zeros(shape), axis=found)


@given(axis(3))
def test_an_axis_is_one_number(found: int) -> None:
    assert found in range(-3, 3)


# ---- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", [real, positive, unit, nonzero, away_from(-1.0, 0.0, 1.0)])
def test_values_are_eighths_of_their_domain(domain: Domain) -> None:
    @given(arrays(domain))
    def holds(x: Any) -> None:
        assert x.dtype == np.float64
        assert (x * 8 == np.round(x * 8)).all()
        assert ((domain.low <= x) & (x <= domain.high)).all()
        assert all((np.abs(x - point) >= domain.gap).all() for point in domain.avoid)

    holds()


@given(arrays(distinct))
def test_distinct_values_differ_enough_to_keep_their_order_when_one_is_moved(x: Any) -> None:
    assert (np.diff(np.sort(x, axis=None)) >= 0.125).all()


@given(arrays(shape=(2, 3), dtype=dtypes()))
def test_every_dtype_holds_the_values_exactly(x: Any) -> None:
    assert x.shape == (2, 3)
    assert (x.astype(np.float64) * 8 == np.round(x.astype(np.float64) * 8)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_every_dtype_occurs(dtype: Any) -> None:
    find(arrays(dtype=dtypes()), lambda x: x.dtype == dtype, settings=SOME)


def test_an_empty_domain_says_so() -> None:
    with pytest.raises(ValueError, match="no multiple of 1/8 lies in"):
        find(arrays(Domain(0.3, 0.35)), lambda x: True)


def test_an_op_without_examples_says_so() -> None:
    bare = Primitive(lambda x: x, vjp=(lambda g: g,), name="bare")
    with pytest.raises(ValueError, match="bare: has no examples"):
        find(arguments(bare), lambda drawn: True)


# ---- memory ----------------------------------------------------------------------------------------------------------


@given(arrays(dtype=dtypes()).flatmap(lambda x: st.tuples(st.just(x), layouts(x))))
def test_a_layout_changes_nothing_but_the_layout(pair: tuple[Any, Any]) -> None:
    before, after = pair
    np.testing.assert_array_equal(before, after)
    assert before.dtype == after.dtype
    assert before.shape == after.shape


@pytest.mark.parametrize(
    "holds",
    [
        lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
        lambda x: (
            x.ndim == 3
            and 1 not in x.shape
            and x.base is not None
            and sorted(x.strides, reverse=True) != list(x.strides)
        ),
        lambda x: any(stride < 0 for stride in x.strides),
        lambda x: any(stride == 0 and side > 1 for stride, side in zip(x.strides, x.shape, strict=True)),
        lambda x: x.size > 1 and not x.flags.c_contiguous and not x.flags.f_contiguous,
        lambda x: not x.flags.writeable,
        lambda x: x.shape == () and x.base is not None,
    ],
    ids=["columns", "turned", "backwards", "repeated", "gaps", "read-only", "a view without axes"],
)
def test_every_layout_occurs(holds: Callable[[Any], bool]) -> None:
    find(arrays(any_layout=True), holds, settings=SOME)


@pytest.mark.parametrize("f", [engine.tanh, engine.sum, lambda x: engine.softmax(engine.reshape(x, shape=(-1, 1)))])
def test_gradients_do_not_depend_on_the_layout(f: Any) -> None:
    @given(arrays(shape=shapes(min_side=1), any_layout=True))
    def holds(x: Any) -> None:
        found = []
        for array in (x, np.array(x, order="C")):
            tensor = Tensor(array, requires_grad=True)
            found += gradients(engine.sum(f(tensor) * f(tensor)), [tensor])
        np.testing.assert_array_equal(*found)

    holds()


# ---- indices ---------------------------------------------------------------------------------------------------------


@st.composite
def indexed(draw: st.DrawFn) -> tuple[Any, Any]:
    x = draw(arrays(distinct))
    return x, draw(index_expressions(x.shape))


@given(indexed())
def test_indices_read_what_numpy_reads_and_send_back_as_often_as_they_read(drawn: tuple[Any, Any]) -> None:
    x, index = drawn
    tensor = Tensor(x, requires_grad=True)
    out = engine.getitem(tensor, index)
    np.testing.assert_array_equal(out.numpy(), x[index])
    (found,) = gradients(engine.sum(out), [tensor])
    places = np.arange(x.size).reshape(x.shape)[index]
    np.testing.assert_array_equal(found.reshape(-1), np.bincount(np.ravel(places), minlength=x.size))


def parts(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def looked_up(index: Any, kind: str) -> list[Any]:
    return [part for part in parts(index) if isinstance(part, np.ndarray) and part.dtype.kind == kind]


@pytest.mark.parametrize(
    "holds",
    [
        lambda index: index == (),
        lambda index: any(type(part) is int and part < 0 for part in parts(index)),
        lambda index: any(isinstance(part, slice) and part.step == -2 for part in parts(index)),
        lambda index: sum(part is None for part in parts(index)) == 2,
        lambda index: any(part is ... for part in parts(index)[1:-1]),
        lambda index: any(len(set(found.flat)) < found.size for found in looked_up(index, "i")),
        lambda index: len(looked_up(index, "i")) == 2,
        lambda index: looked_up(index, "i") and slice in map(type, parts(index)) and int in map(type, parts(index)),
        lambda index: any(found.ndim == 2 for found in looked_up(index, "b")),
        lambda index: looked_up(index, "b") and int in map(type, parts(index)),
        lambda index: isinstance(index, np.ndarray),
    ],
    ids="nothing,negative,step,None,...,repeated,two arrays,mixed,mask,mask and integer,bare".split(","),
)
def test_every_kind_of_index_occurs(holds: Callable[[Any], Any]) -> None:
    find(index_expressions((3, 2, 3)), lambda index: bool(holds(index)), settings=SOME)


# ---- counterexamples -------------------------------------------------------------------------------------------------


@pytest.fixture
def without_explanations() -> Iterator[None]:
    """Hypothesis without its search for reasons, which takes most of the time."""
    before = settings.get_current_profile_name()
    quick = settings(phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False, database=None)
    settings.register_profile("quick", quick)
    settings.load_profile("quick")
    yield
    settings.load_profile(before)


def counterexample(op: Primitive) -> Arguments:
    """The arguments that checking a wrong op ends with: hypothesis runs the smallest it found once more."""
    drawn: list[Arguments] = []
    assert op.examples is not None

    def recorded(draw: Draw, examples: Any = op.examples) -> Arguments:
        drawn.append(examples(draw))
        return drawn[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(op, "examples", recorded)
        with pytest.raises((AssertionError, RuntimeError)):
            check_op(op)
    return drawn[-1]


@pytest.mark.usefixtures("without_explanations")
def test_planted_mistakes_are_found_and_shrink_to_a_median_of_at_most_four_elements() -> None:
    found = {name: counterexample(op) for name, op in planted.ops.items()}
    sizes = {name: sum(array.size for array in arguments.arrays) for name, arguments in found.items()}
    assert len(sizes) >= 12
    assert np.median([*sizes.values()]) <= 4, sizes
    assert max(sizes.values()) <= 6, sizes
    values = np.concatenate([np.ravel(array) for arguments in found.values() for array in arguments.arrays])
    assert np.mean(np.isin(values, [0, 2, -2])) > 0.9, found
