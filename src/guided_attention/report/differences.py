"""Paired differences between networks, and the table that shows them (chapter *State of the art*)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from guided_attention.report.intervals import interval_note
from guided_attention.report.names import NAMES, place_name, unit_of
from guided_attention.report.signed_rank import EXACT_UP_TO, smallest_p
from guided_attention.report.table import Table

__all__ = ["Comparison", "Comparisons"]


@dataclass(frozen=True)
class Comparison:
    """Two networks over the same test subjects.

    Parameters
    ----------
    model, reference : str
        The difference is ``model`` minus ``reference``.
    n : int
        Subjects with a score from both.
    difference, low, high : float
        Mean paired difference and its 95 % bootstrap interval, in the metric's own unit.
    better : int
        Subjects for whom ``model`` is strictly better.
    p : float
        Two-sided Wilcoxon signed-rank test; NaN without subjects.
    smallest_p : float
        What p could be at best with so many subjects.
    p_holm : float
        p after Holm's correction for all comparisons of the table.
    """

    model: str
    reference: str
    n: int
    difference: float
    low: float
    high: float
    better: int
    p: float
    smallest_p: float
    p_holm: float = math.nan


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of one metric and organ, corrected together. Shows itself as a table."""

    metric: str
    organ: str
    rows: tuple[Comparison, ...]
    label: str
    warnings: tuple[str, ...] = ()

    def table(self) -> Table:
        """Return the comparisons as a `Table`, with what the number of subjects allows to say."""
        unit = unit_of(self.metric)

        def number(value: float) -> str:
            return "–" if math.isnan(value) else f"{value * unit.factor:+.{unit.decimals}f}"

        rows = tuple(
            (
                *(NAMES[r.model], NAMES[r.reference], str(r.n)),
                *(number(value) for value in (r.difference, r.low, r.high)),
                *(f"{r.better} of {r.n}", _p(r.p), _p(r.smallest_p), _p(r.p_holm)),
            )
            for r in self.rows
        )
        columns = ("network", "against", "n", "difference", "low", "high", "better for", "p", "smallest p", "p (Holm)")
        against = {row.reference for row in self.rows}
        whom = f"from {NAMES[against.pop()]}" if len(against) == 1 else "of each step"
        title = f"Paired differences {whom} in {unit.name}, {place_name(self.organ)}: {self.label}"
        return Table(title, columns, rows, (*self._notes(), *self.warnings), words=2)

    def _notes(self) -> tuple[str, ...]:
        n, family = min(row.n for row in self.rows), len(self.rows)
        test = "exact" if max(row.n for row in self.rows) <= EXACT_UP_TO else "with random sign changes"
        notes = [
            f"Two-sided Wilcoxon signed-rank test over subjects, {test}; Holm's correction for {family} "
            f"{'comparison' if family == 1 else 'comparisons'}.",
            interval_note(n),
        ]
        if smallest_p(n) > 0.05:
            notes.append(
                f"With n = {n} subjects p cannot fall below {smallest_p(n):.4g}, whatever the networks do: "
                "no difference can be significant at 5 %, and none is shown to be absent."
            )
        elif smallest_p(n) * family > 0.05:
            notes.append(
                f"With n = {n} subjects p cannot fall below {smallest_p(n):.4g}, and below "
                f"{smallest_p(n) * family:.4g} after correction for {family} comparisons."
            )
        return tuple(notes)

    def _repr_markdown_(self) -> str:
        return self.table().to_markdown()

    def _repr_html_(self) -> str:
        return self.table().to_html()

    def __str__(self) -> str:
        return self.table().to_markdown()


def _p(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"
