"""The pieces of the report: sections, figures, tables. Text from outside goes through `escaped`.

Read next: `gpt/report/overview.py`, the head of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gpt.tokenizers import Tokenizer
from viz.charts.marks import escaped


@dataclass(frozen=True)
class Section:
    """A part of the report: its anchor for links, its title, and its markup."""

    anchor: str
    title: str
    body: str

    def markup(self) -> str:
        """The section as an element of the page."""
        return f'<section id="{self.anchor}">\n<h2>{escaped(self.title)}</h2>\n{self.body}\n</section>'


def paragraph(markup: str, kind: str = "") -> str:
    """A paragraph; `kind` is "missing" for data that cannot be shown, "alarm" for a warning."""
    return f'<p class="{kind}">{markup}</p>' if kind else f"<p>{markup}</p>"


def figure(chart: str, caption: str = "") -> str:
    """A chart and its caption, which is markup."""
    return f"<figure>{chart}{f'<figcaption>{caption}</figcaption>' if caption else ''}</figure>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], last: Sequence[str] = ()) -> str:
    """A table of texts; all columns but the first hold numbers."""

    def row(cells: Sequence[str], kind: str = "td") -> str:
        return f"<tr>{''.join(f'<{kind}>{escaped(cell)}</{kind}>' for cell in cells)}</tr>"

    foot = f"<tfoot>{row(last)}</tfoot>" if last else ""
    body = "\n".join(row(cells) for cells in rows)
    return f'<div class="wide"><table><thead>{row(head, "th")}</thead><tbody>\n{body}\n</tbody>{foot}</table></div>'


def code(text: str) -> str:
    """A name, or a text of the model, unchanged."""
    return f"<code>{escaped(text)}</code>"


def unit_of(tokenizer: Tokenizer) -> str:
    """What a token is called."""
    return "character" if tokenizer.kind == "char" else "token"


def place(number: int) -> str:
    """An ordinal, counted from 1: 1st, 2nd, 3rd, 11th."""
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
