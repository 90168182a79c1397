"""Tally: how often each law was checked, and how close a check came to failing, for the summary of a test run.

One entry for each subject (an op, or the name of a function) and law: the number of checks, how many of them were
inconclusive, and the largest relative error that passed, with its place.

Read next: `engine/testing/summary.py`, the tally in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Entry:
    """One subject under one law."""

    checks: int = 0
    inconclusive: int = 0
    worst: float = 0.0
    where: str = ""

    def add(self, other: Entry) -> None:
        self.checks += other.checks
        self.inconclusive += other.inconclusive
        if other.worst > self.worst:
            self.worst, self.where = other.worst, other.where


@dataclass
class Tally:
    """Counts of a whole test run.

    Fields:
        examples: the number of points drawn by hypothesis, each checked under every law that applies there.
        calls: how often `gradcheck` and `check_vjp` called the functions that they checked.
        entries: the counts, by subject and law.
        subject: replaces the subject that a check names, if not empty.
    """

    examples: int = 0
    calls: int = 0
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    subject: str = ""

    def record(self, subject: str, law: str, *, conclusive: bool = True, error: float = 0.0, where: str = "") -> None:
        """Count one check; `error` is its largest relative error, found at `where`."""
        entry = self.entries.setdefault((self.subject or subject, law), Entry())
        entry.checks += 1
        entry.inconclusive += not conclusive
        if conclusive and error > entry.worst:
            entry.worst, entry.where = float(error), where

    @contextmanager
    def under(self, subject: str) -> Iterator[None]:
        """A context in which every check counts for this subject."""
        outer, self.subject = self.subject, subject
        try:
            yield
        finally:
            self.subject = outer

    def add(self, other: Tally) -> None:
        """Add the counts of another process."""
        self.examples += other.examples
        self.calls += other.calls
        for key, entry in other.entries.items():
            self.entries.setdefault(key, Entry()).add(entry)


tally = Tally()
