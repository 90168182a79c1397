"""The fused ops, what networks spend their time in, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
import nn
from tests.against.agreement import Row, arrays, cases, compare, matrices, normal, torch

F = torch.nn.functional
MATH = torch.nn.attention.SDPBackend.MATH  # PyTorch's other kernels have no second derivative


def stretched(*shape: int) -> Any:
    """Values large enough to overflow an exponential."""
    return 300 * normal(*shape)


# ---- softmax, norms ------------------------------------------------------------------------------------------------

LINES = [normal(4), normal(1), normal(9)[::-3], *matrices(), normal(2, 4, 3), normal(4, 3, 4).T[::2], normal(0, 3)]


def affine(x: Any) -> tuple[Any, Any, Any]:
    """An array with a weight and a bias for its last axis."""
    return x, normal(x.shape[-1]), normal(2 * x.shape[-1])[::-2]


NORMS = [
    Row("softmax", engine.softmax, lambda x: F.softmax(x, -1), [*LINES, *matrices(stretched), normal(2, 0)]),
    Row("softmax 0", lambda x: x.softmax(0), lambda x: F.softmax(x, 0), LINES),
    Row("log_softmax", engine.log_softmax, lambda x: F.log_softmax(x, -1), [*LINES, *matrices(stretched)]),
    Row("log_softmax 0", lambda x: x.log_softmax(0), lambda x: F.log_softmax(x, 0), LINES),
    Row("layer_norm", engine.layer_norm, lambda x: F.layer_norm(x, x.shape[-1:]), LINES),
    Row("layer_norm affine", engine.layer_norm, lambda x, *wb: F.layer_norm(x, x.shape[-1:], *wb), map(affine, LINES)),
    Row(
        "layer_norm eps",
        lambda x, w: engine.layer_norm(x, w, eps=0.1),
        lambda x, w: F.layer_norm(x, x.shape[-1:], w, eps=0.1),
        [affine(x)[:2] for x in LINES],
    ),
    Row("rms_norm", engine.rms_norm, lambda x: F.rms_norm(x, x.shape[-1:], eps=1e-5), LINES),
    Row(
        "rms_norm scaled",
        lambda x, w: engine.rms_norm(x, w, eps=0.1),
        lambda x, w: F.rms_norm(x, x.shape[-1:], w, eps=0.1),
        [affine(x)[:2] for x in LINES],
    ),
]

# ---- linear, embedding, dropout, rotary ----------------------------------------------------------------------------

PHASES = np.exp(1j * normal(4, 2))


def turned(x: Any) -> Any:
    """The rotation of `engine.rotary`, as a product of complex numbers."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], 2, 2).contiguous())
    return torch.view_as_real(pairs * torch.tensor(PHASES)).reshape(x.shape)


INPUTS = [normal(3), normal(2, 3), normal(2, 1, 3), normal(6, 4).T[::-2, ::2], normal(0, 3), normal(2, 0, 3)]

LAYERS = [
    Row("linear", engine.linear, F.linear, [(x, normal(2, 3)) for x in INPUTS]),
    Row("linear with bias", engine.linear, F.linear, [(x, normal(3, 2).T, normal(4)[::-2]) for x in INPUTS]),
    Row("linear of one", engine.linear, F.linear, [(normal(2, 1), normal(1, 1), normal(1))]),
    Row("embedding", engine.embedding, F.embedding, [(np.array(i), normal(4, 3)) for i in (2, [0, 0, 3], [[1], [1]])]),
    Row("embedding of none", engine.embedding, F.embedding, [(np.zeros((2, 0), int), normal(4, 3))]),
    Row("embedding of many", engine.embedding, F.embedding, [(np.array([299, 7, 299]), normal(3, 300).T)]),
    Row("dropout 0", lambda x: nn.Dropout(0.0)(x), lambda x: F.dropout(x, 0.0), arrays()),
    Row("dropout 1", lambda x: nn.Dropout(1.0)(x), lambda x: F.dropout(x, 1.0), arrays()),
    Row("rotary", lambda x: engine.rotary(x, phases=PHASES), turned, [normal(4, 4), normal(2, 4, 8)[..., ::-2]]),
]

# ---- cross_entropy -------------------------------------------------------------------------------------------------


def entropy(name: str, points: Any, **how: Any) -> Row:
    """A row for logits with classes on the last axis, where PyTorch has them on the second."""

    def theirs(logits: Any, labels: Any) -> Any:
        losses = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), **how)
        return losses.reshape(labels.shape) if how.get("reduction") == "none" else losses

    return Row(f"cross_entropy {name}", lambda x, y: engine.cross_entropy(x, y, **how), theirs, points)


LABELS = np.array([[1, 0, -100], [2, 2, 1]])
LABELLED = [(normal(2, 3, 4), LABELS), (300 * normal(2, 3, 3), LABELS), (normal(6, 3, 2).T[:, :, ::-2], LABELS)]
SMALL = [(normal(5), np.array(3)), (normal(1, 1), np.array([0]))]
NOTHING = [(normal(0, 3), np.zeros(0, int)), (normal(2, 3), np.array([-100, -100]))]

ENTROPIES = [
    entropy("mean", [*LABELLED, *SMALL]),
    entropy("sum", [*LABELLED, *SMALL, *NOTHING], reduction="sum"),
    entropy("none", [*LABELLED, *SMALL, *NOTHING], reduction="none"),
    entropy("another ignored", [(normal(4, 3), np.array([2, 0, 2, 1]))], ignore_index=2),
    entropy("a class ignored by all", [(normal(2, 3), np.array([1, 1]))], ignore_index=1, reduction="sum"),
]

# ---- attention -----------------------------------------------------------------------------------------------------


def attention(name: str, points: Any, mask: Any = None, causal: bool = False, scale: float | None = None) -> Row:
    """A row for (query, key, value); PyTorch computes it from small steps, which can be differentiated twice."""

    def theirs(*qkv: Any) -> Any:
        with torch.nn.attention.sdpa_kernel(MATH):
            given = None if mask is None else torch.tensor(mask)
            return F.scaled_dot_product_attention(*qkv, attn_mask=given, is_causal=causal, scale=scale)

    def ours(*qkv: Any) -> Any:
        return engine.scaled_dot_product_attention(*qkv, mask=mask, causal=causal, scale=scale)

    return Row(f"attention {name}", ours, theirs, points)


def heads(*batch: int) -> list[tuple[Any, Any, Any]]:
    """Queries, keys and values: plain, views, and of size 1."""
    plain = normal(*batch, 3, 2), normal(*batch, 4, 2), normal(*batch, 4, 5)
    views = normal(*batch, 2, 3).swapaxes(-1, -2), normal(*batch, 8, 4)[..., ::-2, ::2], normal(*batch, 4, 5)[..., ::-1]
    return [plain, views, (10 * plain[0], 10 * plain[1], plain[2])]


ALLOWED = np.array([[True, False, True, True], [False, True, False, False], [True, True, True, True]])
NOWHERE = np.array([[True, False, True, True], [False, False, False, False], [True, True, True, True]])
EACH_HEAD = np.stack([ALLOWED, ~ALLOWED])[None]

ATTENTIONS = [
    attention("", [*heads(), *heads(2), *heads(2, 2), (normal(1, 1), normal(1, 1), normal(1, 1))]),
    attention("causal", [*heads(), *heads(2, 2), (normal(5, 3), normal(5, 3), normal(5, 3))], causal=True),
    attention("scaled", heads(2, 2), scale=0.3),
    attention("causal and scaled", heads(2), scale=-2.0, causal=True),
    attention("masked", [*heads(), *heads(2, 2)], mask=ALLOWED),
    attention("masked by head", heads(2, 2), mask=EACH_HEAD),
    attention("looking nowhere", [*heads(), *heads(2, 2)], mask=NOWHERE),
    attention("biased", [*heads(), *heads(2, 2)], mask=normal(3, 4)),
    attention("biased without end", heads(2), mask=np.where(NOWHERE, 0.0, -np.inf)),
    attention("of nothing", [(normal(0, 2), normal(4, 2), normal(4, 3))]),
    attention("to nothing", [(normal(3, 2), normal(0, 2), normal(0, 3))]),
    attention("without channels", [(normal(3, 0), normal(4, 0), normal(4, 3))]),
]

ROWS = [*NORMS, *LAYERS, *ENTROPIES, *ATTENTIONS]


@pytest.mark.parametrize(("ours", "theirs", "arrays", "order"), cases(ROWS))
def test_agrees_with_pytorch(ours: Any, theirs: Any, arrays: Any, order: int) -> None:
    compare(ours, theirs, arrays, order)
