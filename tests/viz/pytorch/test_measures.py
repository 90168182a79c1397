"""Tensors are measured in pieces, or on their device; the measures are those that NumPy takes of whole arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from viz.sources import measures
from viz.sources.records import Gradient

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

SHAPE = (300, 1400)  # more than three pieces, the last one shorter


@pytest.fixture(params=["in pieces", "as on a device"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in which a tensor is measured, here on the CPU."""
    from viz.sources import torch_measures

    if request.param != "in pieces":
        monkeypatch.setattr(torch_measures, "_in_pieces", lambda here: torch_measures._figures_on_device(here))


def of_torch(*contributions: tuple[int, Any]) -> Gradient:
    from viz.sources import torch_measures

    (gradient,) = torch_measures.read([torch_measures.measure(contributions, by_row=False)])
    return gradient


def check(found: Gradient, expected: Gradient) -> None:
    assert found.norm == pytest.approx(expected.norm, rel=1e-12)
    assert found.rms == pytest.approx(expected.rms, rel=1e-12)
    assert found.numbers is not None
    assert expected.numbers is not None
    assert (found.numbers.least, found.numbers.greatest) == (expected.numbers.least, expected.numbers.greatest)
    assert found.numbers.mean == pytest.approx(expected.numbers.mean, abs=1e-12 * expected.rms)
    assert found.numbers.std == pytest.approx(expected.numbers.std, rel=1e-9)
    assert len(found.contributions) == len(expected.contributions)
    for ours, theirs in zip(found.contributions, expected.contributions, strict=True):
        assert ours.norm == pytest.approx(theirs.norm, rel=1e-12)
        assert ours.share == pytest.approx(theirs.share, rel=1e-9, abs=1e-12)
        assert ours.gathered == pytest.approx(theirs.gathered, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_several_contributions_in_several_pieces(dtype: str, count: int) -> None:
    tensors = [torch.randn(SHAPE).to(getattr(torch, dtype)) for _ in range(count)]
    tensors[-1] = tensors[-1].T.contiguous().T  # not in the order of memory of the others
    expected = measures.measure([tensor.double().numpy() for tensor in tensors], False)
    check(of_torch(*((0, tensor) for tensor in tensors)), expected)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_squares_that_leave_the_range_of_floats(size: float) -> None:
    first, second = torch.randn(SHAPE).double() * size, torch.randn(SHAPE).double() * size
    with np.errstate(all="ignore"):
        scaled = measures.measure([(first / size).numpy(), (second / size).numpy()], False)
    found = of_torch((0, first), (0, second))
    assert found.norm / size == pytest.approx(scaled.norm)
    for ours, theirs in zip(found.contributions, scaled.contributions, strict=True):
        assert ours.norm / size == pytest.approx(theirs.norm)
        assert ours.share == pytest.approx(theirs.share)
        assert ours.gathered / size == pytest.approx(theirs.gathered)


def test_gradients_of_several_results_are_one_long_gradient() -> None:
    first, other, second = torch.randn(SHAPE), torch.randn(7), torch.randn(SHAPE)
    long = [torch.zeros(2, *SHAPE) for _ in range(3)]
    long[0][0], long[1].view(-1)[-7:], long[2][0] = first, other, second
    expected = measures.measure([tensor.double().numpy() for tensor in long], False)
    found = of_torch((0, first), (1, other), (0, second))
    assert found.norm == pytest.approx(expected.norm, rel=1e-12)
    for ours, theirs in zip(found.contributions, expected.contributions, strict=True):
        assert ours[:3] == pytest.approx(theirs[:3], rel=1e-9)


def test_a_nan_in_one_piece_is_seen() -> None:
    tensor = torch.randn(SHAPE)
    tensor[150, 3] = math.nan
    found = of_torch((0, tensor))
    assert math.isnan(found.norm)
    assert found.numbers is not None
    assert math.isnan(found.numbers.least)
    assert math.isnan(found.numbers.greatest)


def test_zero_and_empty_gradients() -> None:
    zero = of_torch((0, torch.zeros(SHAPE)), (0, torch.zeros(SHAPE)))
    assert zero.norm == 0
    assert all(math.isnan(contribution.share) for contribution in zero.contributions)
    empty = of_torch((0, torch.zeros(0, 3)), (0, torch.zeros(0, 3)))
    assert (empty.norm, empty.numbers, len(empty.contributions)) == (0.0, None, 2)
