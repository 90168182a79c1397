"""Snippets of README and docs for other frameworks say what they show, where the framework is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.test_docs import PAGES, run_snippets

FRAMEWORKS = {"torch": "PyTorch", "jax": "JAX", "numba": "Numba", "tokenizers": "tokenizers"}
FENCES = {page: set(re.findall(r"^```python (\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in PAGES}


def pages(framework: str) -> pytest.MarkDecorator:
    """A test for every page with snippets for a framework."""
    chosen = [page for page, found in FENCES.items() if framework in found]
    return pytest.mark.parametrize("page", chosen, ids=lambda page: page.name)


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


@pages("numba")
def test_numba(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("numba")
    monkeypatch.chdir(tmp_path)
    run_snippets(page, "python numba")


@pages("torch")
def test_pytorch(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed("torch")
    monkeypatch.chdir(tmp_path)
    run_snippets(page, "python torch")


@pages("jax")
def test_jax(page: Path, jax: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_snippets(page, "python jax")


@pages("tokenizers")
def test_tokenizers(page: Path) -> None:
    installed("tokenizers")
    run_snippets(page, "python tokenizers")


def test_no_framework_is_forgotten() -> None:
    assert set().union(*FENCES.values()) == set(FRAMEWORKS)
