"""The recipes of docs/recipes.md for other frameworks say what they show, where the framework is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.test_docs import ROOT, run_snippets

PAGE = ROOT / "docs" / "recipes.md"
FRAMEWORKS = {"torch": "PyTorch", "jax": "JAX"}


def installed(framework: str) -> Any:
    name = FRAMEWORKS[framework]
    return pytest.importorskip(framework, reason=f"{name} is not installed; `make compare` installs it")


@pytest.fixture(params=[False, True], ids=["float32", "x64"])
def jax(request: pytest.FixtureRequest) -> Iterator[Any]:
    """JAX as it comes, and with float64 enabled."""
    jax = installed("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param)
    yield jax
    jax.config.update("jax_enable_x64", before)


def test_pytorch() -> None:
    installed("torch")
    run_snippets(PAGE, "python torch")


def test_jax(jax: Any) -> None:
    run_snippets(PAGE, "python jax")


def test_no_framework_is_forgotten() -> None:
    assert set(re.findall(r"^```python (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)) == set(FRAMEWORKS)
