"""The document of every page: one file with its style, its program and its data inside.

The invariant: whatever names, tokens and data contain, a page runs only the program it was made with and reaches
nothing outside itself. The content-security policy in its head names the hash of each style and each script and
forbids everything else, all network included; data travels as JSON in a block that no browser runs, with every
character that could end the block escaped.

Text from outside in `body` must be escaped (`html.escape`); scripts must set text as text, never as markup.

Read next: `viz/charts/__init__.py`, the charts of the report.
"""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

_ESCAPES = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def asset(name: str) -> str:
    """The text of a file in this folder, such as a style sheet or a script."""
    return files("viz.page").joinpath(name).read_text(encoding="utf-8")


def page(title: str, body: str, *, styles: Sequence[str] = (), scripts: Sequence[str] = (), data: Any = None) -> str:
    """A whole HTML document.

    Args:
        title: plain text.
        body: markup, in which all text from outside must be escaped.
        styles, scripts: CSS and plain JavaScript, put into the page and allowed by their hash.
        data: anything JSON can hold; scripts read it from the element with the id "data". nan and inf become null.
    """
    policy = (
        f"default-src 'none'; style-src {_hashes(styles)}; script-src {_hashes(scripts)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{html.escape(title)}</title>",
        *(f"<style>{style}</style>" for style in styles),
        "</head>",
        "<body>",
        body,
        f'<script type="application/json" id="data">{_json(data)}</script>',
        *(f"<script>{script}</script>" for script in scripts),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _hashes(texts: Sequence[str]) -> str:
    found = [b64encode(sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{value}'" for value in found) or "'none'"


def _json(data: Any) -> str:
    text = json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return "".join(_ESCAPES.get(character, character) for character in text)


def _finite(data: Any) -> Any:
    """The same data with None in place of nan and inf, which JSON does not have."""
    if isinstance(data, float):
        return data if data - data == 0 else None
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
