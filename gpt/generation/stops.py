"""Stop strings: where a text that arrives in pieces ends.

The invariant: what is given out is never taken back. So the end of a piece that may be the beginning of a stop string
is held back until more text decides.

Read next: `gpt/generation/steps.py`.
"""

from __future__ import annotations

from collections.abc import Sequence


def checked_stops(stop: str | Sequence[str]) -> tuple[str, ...]:
    """The stop strings as a tuple, given one or several. TypeError for what is no string, ValueError for an empty one.

    No strings at all (`stop=()`) are allowed: then nothing but the limit ends a text.
    """
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    for one in stops:
        if not isinstance(one, str):
            raise TypeError(f"generate: stop must be a string or several, not {type(one).__name__}")
        if not one:
            raise ValueError("generate: a stop string must not be empty; stop=() goes on up to the limit")
    return stops


class UntilStop:
    """The text before the first stop string, piece by piece.

    The first one is the one that is complete first; of those that are complete with the same character, the longest.
    That does not depend on the pieces.

    Fields:
        found: whether a stop string has come; all text after that is dropped.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.found = False
        self._stops = stops
        self._held = ""  # the longest end of the text so far that begins a stop string

    def push(self, piece: str) -> str:
        """The text that is certain now, given its next piece."""
        if self.found:
            return ""
        text, self._held = self._held + piece, ""
        ends = [(text.index(stop) + len(stop), -len(stop)) for stop in self._stops if stop in text]
        if ends:
            self.found = True
            end, length = min(ends)
            return text[: end + length]
        held = max((k for stop in self._stops for k in range(len(stop)) if text.endswith(stop[:k])), default=0)
        certain = len(text) - held
        self._held = text[certain:]
        return text[:certain]

    def end(self) -> str:
        """What was held back, when no text follows."""
        held, self._held = self._held, ""
        return held
