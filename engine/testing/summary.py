"""The tally in words: four lines, or a row for each law and each subject as well. Plain text, 80 columns.

Read next: `engine/testing/program.py`, functions made of several ops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from string import ascii_letters
from textwrap import fill

from engine.testing.tally import Entry, Tally

WIDTH = 80
NUMBERS = "{:>11}{:>14}{:>12}"  # checks, inconclusive, worst error
ROOM = WIDTH - 37  # columns left for the name


def summary(tally: Tally, *, seed: int | None = None, tables: bool = False) -> list[str]:
    """The counts and the largest error, with `tables` also by law and by subject, in alphabetical order."""
    subjects = sorted({subject for subject, _ in tally.entries})
    laws = sorted({law for _, law in tally.entries})
    total = _sum(tally.entries.values())
    lines = [
        _line("laws filled", f"{len(tally.entries):,}", f"of {len(subjects):,} subjects x {len(laws):,} laws"),
        _line("examples", f"{tally.examples:,}", f"{tally.calls:,} calls of functions" if tally.calls else ""),
        _line("checks", f"{total.checks:,}", f"{_rate(total)} inconclusive"),
        _line("worst relative error", _error(total), _worst_place(tally, total)),
    ]
    if seed is not None:
        lines.append(_line("seed", str(seed), f"rerun with --gradcheck-seed={seed}"))
    if tables:
        lines += ["", *_by_law(tally, laws), "", *_by_subject(tally, subjects, laws)]
    return lines


def _by_law(tally: Tally, laws: list[str]) -> Iterator[str]:
    """A row for each law, with the letter it has in the other table."""
    yield _row("law", "subjects", "checks", "inconclusive", "worst error")
    for letter, law in zip(ascii_letters, laws, strict=False):
        entries = [entry for (_, its_law), entry in tally.entries.items() if its_law == law]
        yield _row(f"{letter} {law}", f"{len(entries):,}", *_numbers(_sum(entries)))


def _by_subject(tally: Tally, subjects: list[str], laws: list[str]) -> Iterator[str]:
    """A row for each subject, with the letters of the laws it was checked under."""
    yield _row("subject", "laws", "checks", "inconclusive", "worst error")
    for subject in subjects:
        found = {law: tally.entries[subject, law] for law in laws if (subject, law) in tally.entries}
        letters = (letter if law in found else "." for letter, law in zip(ascii_letters, laws, strict=False))
        yield _row(subject, "".join(letters), *_numbers(_sum(found.values())))


def _sum(entries: Iterable[Entry]) -> Entry:
    total = Entry()
    for entry in entries:
        total.add(entry)
    return total


def _worst_place(tally: Tally, total: Entry) -> str:
    """Subject, law and place of the largest error."""
    if not total.worst:
        return ""
    subject, law = min(key for key, entry in tally.entries.items() if entry.worst == total.worst)
    return ": ".join(filter(None, (subject, law, tally.entries[subject, law].where)))


def _rate(entry: Entry) -> str:
    return f"{100 * entry.inconclusive / max(entry.checks, 1):.2f} %"


def _error(entry: Entry) -> str:
    return f"{entry.worst:.1e}" if entry.worst else "0"


def _numbers(entry: Entry) -> tuple[str, str, str]:
    return f"{entry.checks:,}", _rate(entry), _error(entry)


def _line(label: str, number: str, remark: str = "") -> str:
    line = f"{label:<20}{number:>13}   {remark}".rstrip()
    return fill(line, WIDTH, subsequent_indent=" " * 36)


def _row(name: str, marks: str, *numbers: str) -> str:
    room = ROOM - len(marks) - 1
    name = name if len(name) <= room else f"...{name[3 - room :]}"  # of a test, the end says most
    return f"{name:<{room}} {marks}" + NUMBERS.format(*numbers)
