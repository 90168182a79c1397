"""What looking costs: a trace against the sweep it watches, and every picture of a deep transformer's flow.

    python benchmarks/pictures.py [--blocks 12] [--rounds 7]

1. A training step's sweep, bare and observed (`viz.trace`), alternately; the ratio is what observing costs.
2. From a loss to each picture: folded as SVG, with its number of boxes, and the whole flow as one page.
3. That page in headless Chromium, where Playwright and a Chromium are installed: until it is drawn, and until every
   module is open.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import viz
from engine import Tensor, keep_values
from gpt.model import GPT, GPTConfig
from gpt.training.trainer import new_model

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def a_loss(blocks: int) -> Callable[[], Tensor]:
    """Makes the loss of a GPT of 64 channels on 64 characters, each time with a new graph."""
    model = new_model(lambda: GPT(GPTConfig(64, 64, n_layer=blocks, n_head=4, n_embd=64)), seed=0)
    ids = np.arange(64)[None]

    @keep_values()
    def make() -> Tensor:
        return model.loss(ids, (ids + 1) % 64)

    return make


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def observing(make: Callable[[], Tensor], rounds: int) -> None:
    bare, observed = [], []
    for _ in range(rounds):
        loss = make()
        bare.append(seconds(lambda loss=loss: loss.backward(retain_graph=True)))  # type: ignore[misc]
        observed.append(seconds(lambda loss=loss: viz.trace(loss)))  # type: ignore[misc]
    ratio = statistics.median(b / a for a, b in zip(bare, observed, strict=True))
    print(f"{'sweep':<32}{statistics.median(bare):8.3f} s")
    print(f"{'trace':<32}{statistics.median(observed):8.3f} s   {ratio:.2f} of a sweep")


def drawing(make: Callable[[], Tensor], rounds: int) -> None:
    for depth in (1, 2):
        boxes = len(viz.trace(make()).fold(depth).nodes)
        taken = [seconds(lambda depth=depth: viz.trace(make()).fold(depth).svg()) for _ in range(rounds)]  # type: ignore[misc]
        print(f"{f'loss to SVG, folded {depth} deep':<32}{statistics.median(taken):8.3f} s   {boxes} boxes")
    flow = viz.trace(make())
    taken = [seconds(flow.html) for _ in range(rounds)]
    counts = f"{len(flow.nodes)} values, {len(flow.edges)} contributions, {len(flow.html()) / 1e6:.2f} MB"
    print(f"{'flow to page':<32}{statistics.median(taken):8.3f} s   {counts}")


def browsing(flow: viz.BlameFlow, rounds: int) -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("page in a browser: needs Playwright (pip install -e '.[browser]')")
        return
    program = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if program is None:
        print("page in a browser: needs a Chromium on PATH")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "flow.html"
        flow.html(path)
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        opened, expanded = [], []
        for _ in range(rounds):
            page = browser.new_page()
            opened.append(seconds(lambda page=page: _open(page, path)))  # type: ignore[misc]
            expanded.append(seconds(lambda page=page: _expand(page)))  # type: ignore[misc]
            page.close()
        browser.close()
    print(f"{'page opened':<32}{statistics.median(opened):8.3f} s")
    print(f"{'every module open':<32}{statistics.median(expanded):8.3f} s")


def _open(page: Any, path: Path) -> None:
    page.goto(path.as_uri())
    _painted(page)


def _expand(page: Any) -> None:
    page.get_by_role("button", name="Expand all").click()
    _painted(page)


def _painted(page: Any) -> None:
    """Wait until what the page has drawn was on the screen for a frame."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--blocks", type=int, default=12)
    options.add_argument("--rounds", type=int, default=7)
    given = options.parse_args()
    make = a_loss(given.blocks)
    print(f"a GPT of {given.blocks} blocks; medians of {given.rounds}")
    observing(make, given.rounds)
    drawing(make, given.rounds)
    browsing(viz.trace(make()), given.rounds)


if __name__ == "__main__":
    main()
