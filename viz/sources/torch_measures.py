"""The measures of PyTorch tensors, taken in float64 where the tensor lives.

A node may have several results, each with a gradient; they count as one long gradient. So a contribution comes with the
number of the result that it flows into.

The time goes into moving memory. So a gradient on the CPU is measured in pieces, by NumPy, and all figures of a piece
are taken while its copy in float64 is in the processor's cache. On another device a piece is a whole tensor, and
nothing here waits for it: the figures stay there, and all are read at the end.

Read next: `viz/sources/torch_scopes.py`, which module made what.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice, repeat
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from viz.data import Numbers
from viz.sources.measures import MOST_ELEMENTS_LISTED, inner, two_norm
from viz.sources.records import Contribution, Gradient

_PIECE = 1 << 17  # elements, of all contributions together
_OF_THE_GRADIENT = 5  # figures of a piece
_KNOWN_TO_NUMPY = (torch.float32, torch.float64)
_LEAST_PRODUCT = 1e-100  # less than the product of any two norms of float32 but 0

Slotted = tuple[int, torch.Tensor]


class Pending(NamedTuple):
    """Measures that may still be on their device.

    Fields:
        figures: all of them in one tensor: those of each piece (see `_figures_of_piece`), then the elements listed,
            then the norms of rows.
        pieces: how many there are.
        size: the number of elements of the gradient.
        contributions: how many there are.
        listed: how many elements of the gradient are listed, and of each contribution if there are several.
        width: the length of a row of norms; 0 if there are none.
    """

    figures: torch.Tensor
    pieces: int
    size: int
    contributions: int
    listed: tuple[int, ...]
    width: int


def measure(contributions: Sequence[Slotted], by_row: bool) -> Pending:
    """The measures of contributions and of their sum, the gradient."""
    terms = [(slot, _real(tensor)) for slot, tensor in contributions]
    first, several = terms[0][1], len(terms) > 1
    results = dict(terms)  # a tensor into each result that has a gradient
    size = sum(tensor.numel() for tensor in results.values())
    home, precise = first.device, _precise(first)
    figures = torch.cat([_figures(slot, terms) for slot in results])
    shown: list[torch.Tensor] = []
    if size <= MOST_ELEMENTS_LISTED:
        shown = [tensor for _, tensor in terms] if several else []
        shown = [torch.cat([_sum(slot, terms).reshape(-1) for slot in results]), *shown]
    listed = tuple(tensor.numel() for tensor in shown) or (0,) * (1 + several * len(terms))
    rows = [torch.linalg.vector_norm(_sum(terms[0][0], terms), dim=-1)] if by_row else []
    width = rows[0].shape[-1] if by_row else 0
    rest = [tensor.reshape(-1).to(home, precise) for tensor in [*shown, *rows]]
    pieces = len(figures) // _figures_per_piece(len(terms))
    return Pending(torch.cat([figures, *rest]), pieces, size, len(terms), listed, width)


def read(pending: Sequence[Pending]) -> Sequence[Gradient]:
    """The measures as Python numbers: one transfer from each device."""
    on: dict[torch.device, list[int]] = defaultdict(list)
    for number, one in enumerate(pending):
        on[one.figures.device].append(number)
    gradients: dict[int, Gradient] = {}
    for numbers in on.values():
        transferred = torch.cat([pending[number].figures for number in numbers]).cpu().numpy()
        ends = np.cumsum([len(pending[number].figures) for number in numbers])
        for number, figures in zip(numbers, np.split(transferred, ends[:-1]), strict=True):
            gradients[number] = _gradient(pending[number], figures)
    return [gradients[number] for number in range(len(pending))]


def _gradient(pending: Pending, figures: NDArray[Any]) -> Gradient:
    size, several = pending.size, pending.contributions > 1
    width = _figures_per_piece(pending.contributions)
    of_pieces = figures[: pending.pieces * width].reshape(pending.pieces, width).astype(np.float64)
    norm = two_norm(of_pieces[:, 0])
    rms = norm / math.sqrt(max(size, 1))
    rest = iter(figures[pending.pieces * width :].tolist())
    each, *each_of = (tuple(islice(rest, count)) or None for count in pending.listed)
    measured = [(norm, 1.0 if norm > 0 else math.nan, norm)]
    if several:
        measured = [_contribution(of_pieces, column, norm) for column in range(_OF_THE_GRADIENT, width, 3)]
    else:
        each_of = [each]
    numbers = None
    if size:
        mean = float(of_pieces[:, 1].sum()) / size
        least, greatest = float(of_pieces[:, 2].min()), float(of_pieces[:, 3].max())
        zeros = 1 - float(of_pieces[:, 4].sum()) / size
        numbers = Numbers(mean, _deviation(rms, mean, size), least, greatest, each, zeros)
    rows = tuple(iter(lambda: tuple(islice(rest, pending.width)), ()))
    contributions = tuple(Contribution(*three, each) for three, each in zip(measured, each_of, strict=True))
    return Gradient(norm, rms, numbers, contributions, rows)


def _contribution(of_pieces: NDArray[Any], column: int, norm: float) -> tuple[float, float, float]:
    """Norm, share and norm of the sum so far: three columns of the figures of pieces, put together."""
    own, gathered, cosine = of_pieces[:, column : column + 3].T
    share = math.nan
    if norm > 0:
        with np.errstate(all="ignore"):
            share = float((cosine * (own / norm) * (of_pieces[:, 0] / norm)).sum())
    return two_norm(own), share, two_norm(gathered)


def _deviation(rms: float, mean: float, size: int) -> float:
    """The standard deviation: that of one element is 0, whatever rounding says."""
    return math.sqrt(max(rms * rms - mean * mean, 0.0)) if size > 1 else 0.0


def _figures_per_piece(contributions: int) -> int:
    return _OF_THE_GRADIENT + (3 * contributions if contributions > 1 else 0)


def _figures(slot: int, terms: Sequence[Slotted]) -> torch.Tensor:
    """The figures of one result's gradient, piece after piece; an empty gradient has no piece."""
    here = [tensor if into == slot else None for into, tensor in terms]
    first = next(tensor for tensor in here if tensor is not None)
    if not first.numel():
        return torch.empty(0, dtype=_precise(first), device=first.device)
    return _in_pieces(here) if first.device.type == "cpu" else _figures_on_device(here)


def _in_pieces(here: Sequence[torch.Tensor | None]) -> torch.Tensor:
    """The figures of a gradient in the processor's memory, given each contribution, or None of one to another result.

    Pieces are taken in the order of memory, and are so short that the rows of one fit into the cache.
    """
    first = next(tensor for tensor in here if tensor is not None)
    rows = len(here) + (len(here) > 1)
    length = max(_PIECE // rows, 1)
    scratch = np.empty((rows, min(length, first.numel())))
    order = sorted(range(first.ndim), key=lambda axis: -first.stride(axis))
    flat = (None if tensor is None else tensor.permute(order).reshape(-1) for tensor in here)
    pieces = zip(*(repeat(None) if tensor is None else tensor.split(length) for tensor in flat))
    return torch.tensor(
        [number for piece in pieces for number in _figures_of_piece(piece, scratch)], dtype=torch.float64
    )


def _figures_of_piece(pieces: Sequence[torch.Tensor | None], scratch: NDArray[Any]) -> list[float]:
    """The figures of one piece of a gradient, given that piece of each contribution.

    Norm, sum, least and greatest element, and how many are not zero; if there are several contributions, also three of
    each: its norm, the norm of the sum up to it, and its cosine with the gradient. `scratch` has a row for each
    contribution and for the sum.
    """
    terms = [None if piece is None else _copied(piece, row) for piece, row in zip(pieces, scratch, strict=False)]
    with np.errstate(all="ignore"):  # inf - inf

        def add(total: Any, term: Any) -> Any:
            return np.add(total, term, out=scratch[-1, : term.size])

        total, norm, norms = _gathered(terms, add, two_norm, 0.0)
        seen = total
        if len(pieces) == 1 and pieces[0] is not None and pieces[0].dtype in _KNOWN_TO_NUMPY:
            seen = pieces[0].numpy()  # in float32, half the memory
        figures = [norm, np.add.reduce(total), np.minimum.reduce(seen), np.maximum.reduce(seen)]
        figures.append(np.count_nonzero(seen != 0))
        if len(terms) > 1:
            for term, (own, gathered) in zip(terms, norms, strict=True):
                figures += [own, gathered, 0.0 if term is None else inner(term, total, own, norm)]
    return figures


def _gathered(terms: Sequence[Any], add: Any, norm_of: Any, zero: Any) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """The sum of the contributions, its norm, and for each contribution its own norm and that of the sum up to it."""
    total, norm = None, zero
    norms = []
    for term in terms:
        own = zero
        if term is not None:
            own = norm_of(term)
            total = term if total is None else add(total, term)
            norm = own if total is term else norm_of(total)
        norms.append((own, norm))
    return total, norm, norms


def _copied(piece: torch.Tensor, row: NDArray[Any]) -> NDArray[Any]:
    """A copy in the first elements of a row."""
    copy = row[: piece.numel()]
    torch.from_numpy(copy).copy_(piece)
    return copy


def _figures_on_device(here: Sequence[torch.Tensor | None]) -> torch.Tensor:
    """The figures of a gradient in one piece, where it lives."""
    given = [tensor for tensor in here if tensor is not None]
    precise = _precise(given[0])
    wide = any(tensor.dtype == precise for tensor in given)
    zero = torch.zeros((), dtype=precise, device=given[0].device)
    terms = [None if tensor is None else tensor.to(precise) for tensor in here]
    total, norm, norms = _gathered(terms, torch.add, lambda term: _norm(term, wide), zero)
    seen = given[0] if len(given) == 1 else total
    figures = [norm, total.sum(), *torch.aminmax(seen), torch.count_nonzero(seen)]
    if len(terms) > 1:
        for term, (own, gathered) in zip(terms, norms, strict=True):
            figures += [own, gathered, zero if term is None else _cosine(term, total, own, norm, wide)]
    return torch.stack([figure.to(precise) for figure in figures])


def _norm(x: torch.Tensor, wide: bool) -> torch.Tensor:
    """The 2-norm. What was wide before is scaled first, because its squares may leave the range of floats."""
    if not wide:
        return torch.linalg.vector_norm(x)
    scale = _scale(torch.linalg.vector_norm(x, math.inf))
    return torch.linalg.vector_norm(x / scale) * scale


def _cosine(x: torch.Tensor, y: torch.Tensor, norm_x: torch.Tensor, norm_y: torch.Tensor, wide: bool) -> torch.Tensor:
    """<x, y> / |x| |y|; 0 if one is zero."""
    if not wide:
        return (x * y).sum() / (norm_x * norm_y).clamp_min(_LEAST_PRODUCT)
    return ((x / _scale(norm_x)) * (y / _scale(norm_y))).sum()


def _scale(largest: torch.Tensor) -> torch.Tensor:
    """A number to divide by; 1 where the largest magnitude is 0 or not finite."""
    return torch.where((largest > 0) & torch.isfinite(largest), largest, torch.ones_like(largest))


def _sum(slot: int, terms: Sequence[Slotted]) -> torch.Tensor:
    """The gradient of one result."""
    return sum(tensor.to(_precise(tensor)) for into, tensor in terms if into == slot)


def _real(tensor: torch.Tensor) -> torch.Tensor:
    """A dense tensor of real numbers: a complex one as pairs, for which norms and shares are the same."""
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def _precise(tensor: torch.Tensor) -> torch.dtype:
    """float64, but for devices without it."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64
