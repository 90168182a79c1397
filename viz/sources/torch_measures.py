"""The measures of PyTorch tensors, taken in float64 where the tensor lives.

A node may have several results, each with a gradient; they count as one long gradient. So a contribution comes with the
number of the result that it flows into. On a device nothing here waits: what is measured stays there, and all of it is
read at the end.

Read next: `viz/sources/torch_scopes.py`, which module made what.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch

from viz.data import Numbers
from viz.sources.measures import MOST_ELEMENTS_LISTED
from viz.sources.records import Contribution, Gradient

_PIECE = 1 << 17  # elements; a copy in float64 that stays in the processor's cache

Slotted = tuple[int, torch.Tensor]


class Pending(NamedTuple):
    """Measures that may still be on their device.

    Fields:
        figures: all of them in one tensor: five of the gradient (see `_summary`), three of each contribution (norm,
            share, norm of the sum so far) unless there is only one, then the elements listed, then the norms of rows.
        size: the number of elements of the gradient.
        contributions: how many there are.
        listed: how many elements of the gradient are listed, and of each contribution if there are several.
        width: the length of a row of norms; 0 if there are none.
    """

    figures: torch.Tensor
    size: int
    contributions: int
    listed: tuple[int, ...]
    width: int


def measure(contributions: Sequence[Slotted], by_row: bool) -> Pending:
    """The measures of contributions and of their sum, the gradient."""
    terms = [(slot, _real(tensor)) for slot, tensor in contributions]
    sums: dict[int, torch.Tensor] = {}
    if len(terms) == 1:
        sums = dict(terms)
    else:
        terms = [(slot, tensor.to(_precise(tensor))) for slot, tensor in terms]
        for slot, tensor in terms:
            sums[slot] = sums[slot] + tensor if slot in sums else tensor
    parts = list(sums.values())
    size = sum(part.numel() for part in parts)
    figures = [_summary(parts)]
    shown = parts if len(terms) == 1 else [*parts, *(tensor for _, tensor in terms)]
    if len(terms) > 1:
        figures += _of_each(terms, sums, figures[0][0])
    listed = (size, *(tensor.numel() for _, tensor in terms)) if len(terms) > 1 else (size,)
    listed = tuple(count if size <= MOST_ELEMENTS_LISTED else 0 for count in listed)
    if any(listed):
        figures += [tensor.reshape(-1).to(figures[0].dtype) for tensor in shown]
    width = parts[0].shape[-2] if by_row else 0
    if by_row:
        figures.append(torch.linalg.vector_norm(parts[0], dim=-1, dtype=figures[0].dtype).reshape(-1))
    home = figures[0].device
    return Pending(torch.cat([figure.to(home) for figure in figures]), size, len(terms), listed, width)


def read(pending: Sequence[Pending]) -> Sequence[Gradient]:
    """The measures as Python numbers: one transfer from each device."""
    on: dict[torch.device, list[int]] = defaultdict(list)
    for number, one in enumerate(pending):
        on[one.figures.device].append(number)
    figures: dict[int, list[float]] = {}
    for numbers in on.values():
        transferred = iter(torch.cat([pending[number].figures for number in numbers]).tolist())
        for number in numbers:
            figures[number] = list(islice(transferred, len(pending[number].figures)))
    return [_gradient(one, iter(figures[number])) for number, one in enumerate(pending)]


def _gradient(pending: Pending, figures: Iterator[float]) -> Gradient:
    size = pending.size
    norm, mean, least, greatest, zeros = (next(figures) for _ in range(5))
    several = pending.contributions > 1
    measured = [(next(figures), next(figures), next(figures)) for _ in range(pending.contributions if several else 0)]
    each, *each_of = (tuple(next(figures) for _ in range(count)) or None for count in pending.listed)
    rms = norm / math.sqrt(max(size, 1))
    if not several:
        measured, each_of = [(norm, 1.0 if norm > 0 else math.nan, norm)], [each]
    numbers = Numbers(mean, _deviation(rms, mean, size), least, greatest, each, zeros) if size else None
    rest = list(figures)
    rows = tuple(tuple(rest[k : k + pending.width]) for k in range(0, len(rest), pending.width or 1))
    contributions = tuple(Contribution(*three, each) for three, each in zip(measured, each_of, strict=True))
    return Gradient(norm, rms, numbers, contributions, rows)


def _deviation(rms: float, mean: float, size: int) -> float:
    """The standard deviation: that of one element is 0, whatever rounding says."""
    return math.sqrt(max(rms * rms - mean * mean, 0.0)) if size > 1 else 0.0


def _of_each(terms: Sequence[Slotted], sums: dict[int, torch.Tensor], norm: torch.Tensor) -> Iterator[torch.Tensor]:
    """For each contribution its norm, its share <c, g> / |g|^2, and the norm of the sum up to it."""
    gathered: dict[int, torch.Tensor] = {}
    for slot, tensor in terms:
        gathered[slot] = gathered[slot] + tensor if slot in gathered else tensor
        own = _norm([tensor])
        share = _dot(tensor, sums[slot], own, norm) * (own / norm)
        yield torch.stack([own, share.to(own.device), _norm(list(gathered.values())).to(own.device)])


def _summary(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Norm, mean, smallest and largest element of one long gradient, and the fraction of zeros."""
    size = sum(part.numel() for part in parts)
    if not size:
        return torch.zeros(5, dtype=torch.float64)
    rows = [_figures(piece) for part in parts for piece in _pieces(part)]
    home = rows[0][0].device
    norms, sums, least, greatest, nonzero = (torch.stack([row[k].to(home) for row in rows]) for k in range(5))
    return torch.stack([_together(norms), sums.sum() / size, least.amin(), greatest.amax(), 1 - nonzero.sum() / size])


def _figures(piece: torch.Tensor) -> tuple[torch.Tensor, ...]:
    precise = piece.to(_precise(piece))
    least, greatest = torch.aminmax(piece)
    nonzero = torch.count_nonzero(piece).to(precise)
    return _norm_of_piece(precise, least, greatest), precise.sum(), least.to(precise), greatest.to(precise), nonzero


def _norm(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    found = []
    for piece in (piece for tensor in tensors for piece in _pieces(tensor)):
        least, greatest = torch.aminmax(piece)
        found.append(_norm_of_piece(piece.to(_precise(piece)), least, greatest))
    if not found:
        return torch.zeros((), dtype=torch.float64)
    return _together(torch.stack([norm.to(found[0].device) for norm in found]))


def _norm_of_piece(piece: torch.Tensor, least: torch.Tensor, greatest: torch.Tensor) -> torch.Tensor:
    """The 2-norm; float64 is scaled first, because its squares may leave the range of floats."""
    if least.dtype != torch.float64:
        return torch.dot(piece, piece).sqrt()
    scale = _scale(torch.maximum(greatest.abs(), least.abs()))
    return torch.linalg.vector_norm(piece / scale) * scale


def _together(norms: torch.Tensor) -> torch.Tensor:
    scale = _scale(norms.amax())
    return torch.linalg.vector_norm(norms / scale) * scale


def _scale(largest: torch.Tensor) -> torch.Tensor:
    """A number to divide by; 1 where the largest magnitude is 0 or not finite."""
    return torch.where((largest > 0) & torch.isfinite(largest), largest, torch.ones_like(largest))


def _dot(x: torch.Tensor, y: torch.Tensor, norm_x: torch.Tensor, norm_y: torch.Tensor) -> torch.Tensor:
    """The cosine of two gradients of one shape."""
    x, y = x / _scale(norm_x.to(x.device)), y / _scale(norm_y.to(y.device))
    return torch.dot(x.reshape(-1), y.reshape(-1))


def _pieces(tensor: torch.Tensor) -> Sequence[torch.Tensor]:
    """The elements in one dimension and in the order of memory, on a processor in pieces; none of an empty tensor."""
    if not tensor.numel():
        return ()
    order = sorted(range(tensor.ndim), key=lambda axis: -tensor.stride(axis))
    flat = tensor.permute(order).reshape(-1)
    return flat.split(_PIECE) if flat.device.type == "cpu" else (flat,)


def _real(tensor: torch.Tensor) -> torch.Tensor:
    """A dense tensor of real numbers: a complex one as pairs, for which norms and shares are the same."""
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def _precise(tensor: torch.Tensor) -> torch.dtype:
    """float64, but for devices without it."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64
