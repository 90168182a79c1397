"""Tally: how often each law was checked, and how close it came. Only reports read it.

One row for each subject (an op, or the name of a function) and law: checks made, how many of them were inconclusive,
and the largest relative error that passed, with its place. The figures do not depend on the order of the checks, so the
tallies of several processes add up to that of one process.

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
        self.worst, self.where = max((self.worst, self.where), (other.worst, other.where))


@dataclass
class Tally:
    """Counts of a whole test run.

    Fields:
        examples: points drawn by hypothesis, each checked under every law that applies there.
        calls: how often `gradcheck` and `check_vjp` called the functions that they checked.
        entries: the results by subject and law.
        subject: while it is not empty, replaces the subject that a check names.
    """

    examples: int = 0
    calls: int = 0
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    subject: str = ""

    def record(self, subject: str, law: str, *, conclusive: bool = True, error: float = 0.0, where: str = "") -> None:
        """Count one check; `error` is its largest relative error, found at `where`."""
        one = Entry(1, 0, float(error), where) if conclusive else Entry(1, 1)
        self.entries.setdefault((self.subject or subject, law), Entry()).add(one)

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
