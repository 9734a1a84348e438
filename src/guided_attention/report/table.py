"""A small table that shows itself in a notebook and writes itself as Markdown, HTML, CSV and LaTeX."""

from __future__ import annotations

import csv
import html
import io
import math
from dataclasses import dataclass

__all__ = ["Table", "dashed"]

_LATEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "–": "--", "λ": r"$\lambda$", "≥": r"$\ge$"} | {
    mark: f"\\{mark}" for mark in "&%$#_{}"
}


@dataclass(frozen=True)
class Table:
    """A table of text (chapters *Ablation* and *State of the art*).

    Parameters
    ----------
    title : str
        Its caption: what was measured, on which data.
    columns : tuple of str
        Headings.
    rows : tuple of tuple of str
        One cell for each column.
    notes : tuple of str
        Sentences below the table: without them its numbers would be misread.
    words : int
        How many of the first columns hold words; the others are aligned to the right.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    words: int = 1

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: expected {len(self.columns)} cells in a row, found {row}.")

    def to_markdown(self) -> str:
        """Return the table in Markdown: caption, table, notes."""
        rule = tuple("---" if i < self.words else "---:" for i in range(len(self.columns)))
        lines = [
            "| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in (self.columns, rule, *self.rows)
        ]
        return "\n".join([f"**{self.title}**", "", *lines, *(f"\n{note}" for note in self.notes)]) + "\n"

    def to_html(self) -> str:
        """Return the table in HTML, without colours of its own: readable in a light and in a dark page."""

        def row(cells: tuple[str, ...], tag: str) -> str:
            align = ("left" if i < self.words else "right" for i in range(len(cells)))
            return (
                "<tr>"
                + "".join(
                    f'<{tag} style="text-align: {side}; padding: 0.2em 0.5em">{_unbroken(cell)}</{tag}>'
                    for cell, side in zip(cells, align, strict=True)
                )
                + "</tr>"
            )

        return "\n".join(
            [
                # The theme knows pandas' class, and gives other tables of an output a light ground on a dark page.
                f'<table class="dataframe"><caption>{html.escape(self.title)}</caption>',
                f"<thead>{row(self.columns, 'th')}</thead><tbody>",
                *(row(cells, "td") for cells in self.rows),
                "</tbody></table>",
                *(f"<p><small>{html.escape(note)}</small></p>" for note in self.notes),
            ]
        )

    def to_csv(self) -> str:
        """Return columns and rows as CSV."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows((self.columns, *self.rows))
        return text.getvalue()

    def to_latex(self) -> str:
        """Return a LaTeX ``table`` with booktabs' rules."""
        side = "l" * self.words + "r" * (len(self.columns) - self.words)
        lines = [" & ".join(_latex(cell) for cell in row) + r" \\" for row in (self.columns, *self.rows)]
        notes = [rf"\par\footnotesize {_latex(note)}" for note in self.notes]
        head = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(self.title)}}}", rf"\begin{{tabular}}{{{side}}}"]
        body = [r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}"]
        return "\n".join([*head, *body, *notes, "\\end{table}\n"])

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return self.to_markdown()


def dashed(value: float, spec: str) -> str:
    """Write a number as a cell: a dash for NaN."""
    return "–" if math.isnan(value) else format(value, spec)


def _unbroken(cell: str) -> str:
    """Escape for HTML; a narrow cell may break before ± and not behind it."""
    return html.escape(cell).replace("± ", "±\u00a0")


def _latex(text: str) -> str:
    return "".join(_LATEX.get(mark, mark) for mark in text)
