"""A browser for the tests of pages; without Playwright's package and a Chromium they are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import viz
from tests.viz.pages import Open


@pytest.fixture(scope="module")  # no longer: while it is open an event loop runs, and asyncio.run() fails
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium on this system")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a flow; at the end there must have been no error, and no request for anything else."""
    troubles: list[str] = []
    pages: list[Any] = []

    def open_page(flow: viz.BlameFlow) -> Any:
        path = tmp_path / f"{len(pages)}.html"
        flow.html(path)
        page = browser.new_page(viewport={"width": 1400, "height": 1600}, reduced_motion="reduce", color_scheme="light")
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("request", lambda request: None if request.url == path.as_uri() else troubles.append(request.url))
        page.set_default_timeout(30_000)
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert troubles == []
