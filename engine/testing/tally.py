"""Tally: what was checked, how often, how close it came. Every verdict is recorded here, and nothing reads it but reports.

One row for each subject (an op, or the name of a function) and law: checks made, how many of them decided nothing, and
the largest relative error that passed, with where that was.

Read next: `engine/testing/plugin.py`, which prints it at the end of a test run.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Entry:
    """One subject under one law."""

    checks: int = 0
    inconclusive: int = 0
    worst: float = 0.0
    where: str = ""


@dataclass
class Tally:
    """Counts of a whole run.

    Fields:
        examples: points drawn by hypothesis, each checked under every law that applies there.
        entries: what came of it, by subject and law.
    """

    examples: int = 0
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)

    def record(self, subject: str, law: str, *, conclusive: bool = True, error: float = 0.0, where: str = "") -> None:
        """Count one check; `error` is its largest relative error, found at `where`."""
        entry = self.entries.setdefault((subject, law), Entry())
        entry.checks += 1
        entry.inconclusive += not conclusive
        if conclusive and error > entry.worst:
            entry.worst, entry.where = error, where


tally = Tally()
