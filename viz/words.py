"""Names from outside as text: made printable, measured in columns, shortened.

Read next: `viz/compare.py`, two flows side by side.
"""

from __future__ import annotations

import unicodedata


def printable(name: str) -> str:
    """The name with escapes such as \\x1b in place of control characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def columns(text: str) -> int:
    """The width of a text in a terminal: two columns for a wide character, none for a combining mark."""
    marks = ("Mn", "Me")
    return sum(
        0 if unicodedata.category(c) in marks else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def shortened(text: str, most: int) -> str:
    """The text without its middle if it is wider than `most` columns; its end says more, so more of that is kept."""
    if columns(text) <= most:
        return text
    head = _begin(text, (most - 1) // 3)
    return head + "…" + _begin(text[::-1], most - 1 - columns(head))[::-1]


def _begin(text: str, most: int) -> str:
    """The longest beginning that fits into `most` columns."""
    used = 0
    for place, character in enumerate(text):
        used += columns(character)
        if used > most:
            return text[:place]
    return text
