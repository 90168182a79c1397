"""Tables in Markdown, and the places in a page that they are written to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns are aligned in the text as well: the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = [f":{'-' * (widths[0] - 1)}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    lines = []
    for first, *numbers in (head, rule, *rows):
        cells = [first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(numbers, widths[1:], strict=True))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def between(page: str, name: str, content: str) -> str:
    """The page with the content between `<!-- name -->` and `<!-- end name -->`, and nothing else changed."""
    start, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
    if page.count(start) != 1 or page.count(end) != 1 or page.index(start) > page.index(end):
        raise ValueError(f"the page must have one line {start.strip()} and one line {end} after it")
    before, rest = page.split(start)
    return f"{before}{start}\n{content.strip()}\n\n{end}{rest.split(end)[1]}"


def write(path: Path, name: str, content: str) -> None:
    """Replace what stands between the two marks of a file."""
    path.write_text(between(path.read_text(encoding="utf-8"), name, content), encoding="utf-8")
