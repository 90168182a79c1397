"""Names from outside as text that fits: printable, measured in columns, shortened."""

from __future__ import annotations

import unicodedata


def printable(name: str) -> str:
    """The name with control characters shown, not obeyed."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def columns(text: str) -> int:
    """How many columns a terminal gives it: two to a wide character, none to a mark that stands on another."""
    marks = ("Mn", "Me")
    return sum(
        0 if unicodedata.category(c) in marks else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def shortened(text: str, most: int) -> str:
    """The text without its middle where it has more columns than `most`; its end says more, so more of that is kept."""
    if columns(text) <= most:
        return text
    head = _begin(text, (most - 1) // 3)
    return head + "…" + _begin(text[::-1], most - 1 - columns(head))[::-1]


def _begin(text: str, most: int) -> str:
    """As many characters as fit into so many columns."""
    used = 0
    for place, character in enumerate(text):
        used += columns(character)
        if used > most:
            return text[:place]
    return text
