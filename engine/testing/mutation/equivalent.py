"""Mutants that are no mistakes: the changed rule is the same function, each with the reason why.

An entry is held to its word. One that names no mutant any more, or one that is found after all, is stale, and a stale
entry fails the run as a survivor does.

Read next: `engine/testing/laws.py`, what all of this puts to the test.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from engine.testing.mutation.judge import Verdict

EQUIVALENT: dict[str, str] = {}


def because(reason: str, *mutants: str) -> None:
    """Declare mutants equivalent."""
    EQUIVALENT.update(dict.fromkeys(mutants, reason))


def stale(names: Collection[str], verdicts: Sequence[Verdict]) -> Iterator[str]:
    """What is wrong with the table, given the names of all mutants and what became of those that were judged."""
    for name in EQUIVALENT:
        if name not in names:
            yield f"no such mutant: {name}"
    for verdict in verdicts:
        if verdict.found_by and verdict.mutant in EQUIVALENT:
            yield f"found by {verdict.found_by}: {verdict.mutant}"
