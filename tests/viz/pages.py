"""What the tests of pages share: a flow to show, and how to look around in a page that is open in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import engine
import viz
from gpt.model import GPT, GPTConfig

Open = Callable[[viz.BlameFlow], Any]


def a_gpt(layers: int = 2) -> viz.BlameFlow:
    engine.random.seed(0)
    model = GPT(GPTConfig(vocab_size=20, block_size=8, n_layer=layers, n_head=2, n_embd=8))
    ids = np.arange(8).reshape(1, 8)
    return viz.trace(model.loss(ids, (ids + 1) % 20))


ARIA_LABELS = "elements => elements.map(element => element.getAttribute('aria-label'))"

CROSSINGS = """() => {
    document.querySelectorAll('.out-of-sight').forEach(group => group.classList.remove('out-of-sight'));
    const boxes = [...document.querySelectorAll('.box .body')].map(body => {
        const [, x, y] = body.parentNode.getAttribute('transform').match(/\\(([-\\d.]+) ([-\\d.]+)/).map(Number);
        const [width, height] = ['width', 'height'].map(name => Number(body.getAttribute(name)));
        return {x, y, right: x + width, low: y + height, label: body.parentNode.getAttribute('aria-label')};
    });
    const inside = (x, y) => boxes.find(box => x > box.x + 2 && x < box.right - 2 && y > box.y + 2 && y < box.low - 2);
    const found = [];
    const shown = document.querySelectorAll('#graph .label:not(.crowded)');
    const labelled = [...shown].map(label => [label, label.getBBox()]);
    for (const edge of document.querySelectorAll('.edge')) {
        const line = edge.querySelector('.line');
        const half = Number(line.getAttribute('stroke-width')) / 2;
        for (let at = 0; at < line.getTotalLength(); at += 5) {
            const {x, y} = line.getPointAtLength(at);
            if (inside(x, y)) found.push(`${edge.dataset.key} through ${inside(x, y).label}`);
            for (const [label, at] of labelled) {
                const across = x + half > at.x + 1 && x - half < at.x + at.width - 1;
                const meets = across && y > at.y + 2 && y < at.y + at.height - 2;
                if (meets && label.dataset.edge !== edge.dataset.key) {
                    found.push(`${label.textContent} of ${label.dataset.edge} on ${edge.dataset.key}`);
                }
            }
        }
    }
    for (const [label, {x, y, width, height}] of labelled) {
        for (const [other, at] of labelled) {
            const apart = x + width <= at.x || at.x + at.width <= x || y + 9 <= at.y || at.y + 9 <= y;
            if (other !== label && !apart) found.push(`${label.textContent} on ${other.textContent}`);
        }
        for (const [px, py] of [[x, y + 3], [x + width, y + 3], [x, y + height - 3], [x + width, y + height - 3]]) {
            if (inside(px, py)) found.push(`${label.textContent} on ${inside(px, py).label}`);
        }
    }
    return [...new Set(found)];
}"""
