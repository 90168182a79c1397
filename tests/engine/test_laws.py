"""Every law of `engine.testing`, for every registered op."""

from __future__ import annotations

import pytest

import nn  # noqa: F401 (registers the primitives that modules bring)
from engine.primitive import Primitive, registry
from engine.testing import check_op


@pytest.mark.parametrize("primitive", registry.values(), ids=registry)
def test_every_law_holds(primitive: Primitive) -> None:
    check_op(primitive)
