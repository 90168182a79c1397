"""The checks of other frameworks where the framework is not installed."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from engine.testing import check_jax, check_torch_function, check_torch_module


@pytest.mark.parametrize(
    ("check", "module", "title"),
    [
        (check_torch_function, "torch", "PyTorch"),
        (check_torch_module, "torch", "PyTorch"),
        (check_jax, "jax", "JAX"),
    ],
)
def test_a_missing_framework_is_one_line(check: Any, module: str, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError) as caught:
        check(lambda x: x, np.ones(2))
    assert str(caught.value) == f'{check.__name__}: needs {title}: pip install "blameflow[{module}]"'
