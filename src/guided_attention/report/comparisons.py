"""Is one network better than another? Paired tests over the same test subjects (chapter *State of the art*).

The paper compares means. Its networks were tested on the same subjects, so the differences can be paired; and the
more pairs of networks are compared, the more of them differ by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from guided_attention.errors import DataError
from guided_attention.report.names import NAMES, place_name, unit_of
from guided_attention.report.results import Results
from guided_attention.report.statistics import (
    EXACT_UP_TO,
    bootstrap_mean,
    interval_note,
    signed_rank,
    smallest_p,
    subject_values,
)
from guided_attention.report.table import Table, dashed

__all__ = ["STEPS", "Comparison", "Comparisons", "ablation_steps", "paired_tests", "steps_of"]

#: What each step of the ablation adds: a network and the one it adds to.
STEPS = (("pam", "daf"), ("cam", "daf"), ("dual", "daf"), ("ms-dual", "dual"), ("ms-dual-guided", "ms-dual"))


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
        rows = tuple(
            (
                *(NAMES[r.model], NAMES[r.reference], str(r.n)),
                *(unit.text(value, "+") for value in (r.difference, r.low, r.high)),
                f"{r.better} of {r.n}",
                *(dashed(p, ".4f") for p in (r.p, r.smallest_p, r.p_holm)),
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

    def _repr_html_(self) -> str:
        return self.table().to_html()

    def __str__(self) -> str:
        return self.table().to_markdown()


def paired_tests(
    results: Results,
    reference: str = "ms-dual-guided",
    metric: str = "dsc",
    organ: str = "mean",
    models: Sequence[str] | None = None,
) -> Comparisons:
    """Compare networks with one of them, subject by subject.

    Parameters
    ----------
    results : Results
    reference : str
        The network that all others are compared with.
    metric, organ : str
        As for `subject_values`.
    models : sequence of str, optional
        Default: all others with records. The correction is for as many comparisons as there are here: choose them
        before looking at the numbers.

    Raises
    ------
    DataError
        If there is nothing to compare, or a pair has no subject in common.
    """
    chosen = [model for model in (models if models is not None else results.models) if model != reference]
    if not chosen:
        raise DataError(
            f"{results.root / results.dataset.name}: only {reference!r} has records, so there is nothing to compare."
        )
    return _family(results, [(model, reference) for model in chosen], metric, organ)


def ablation_steps(results: Results, metric: str = "dsc", organ: str = "mean") -> Comparisons:
    """Compare each network of the ablation with the one that it adds to: `STEPS`, corrected together.

    Parameters
    ----------
    results : Results
        Steps without records of both networks are left out.
    metric, organ : str
        As for `subject_values`.

    Raises
    ------
    DataError
        If no step has records of both networks.
    """
    if not (steps := steps_of(results)):
        raise DataError(
            f"{results.root / results.dataset.name}: found records of {', '.join(results.models)}; a step needs two of "
            f"the ablation's networks: {', '.join(' after '.join(step) for step in STEPS)}."
        )
    return _family(results, steps, metric, organ)


def steps_of(results: Results) -> list[tuple[str, str]]:
    """Return the `STEPS` of the ablation with records of both networks."""
    return [step for step in STEPS if all(model in results.records for model in step)]


def _family(results: Results, pairs: Sequence[tuple[str, str]], metric: str, organ: str) -> Comparisons:
    from statsmodels.stats.multitest import multipletests

    rows = [_compare(results, pair, metric, organ) for pair in pairs]
    corrected = multipletests([row.p for row in rows], method="holm")[1]
    rows = [replace(row, p_holm=float(p)) for row, p in zip(rows, corrected, strict=True)]
    return Comparisons(metric, organ, tuple(rows), results.label, results.warnings)


def _compare(results: Results, pair: tuple[str, str], metric: str, organ: str) -> Comparison:
    ours, theirs = (subject_values(results, model, metric, organ) for model in pair)
    d = np.array([ours[subject] - theirs[subject] for subject in ours if subject in theirs])
    d = d[~np.isnan(d)]
    if not len(d):
        raise DataError(f"{' and '.join(pair)}: no test subject has a {metric} from both.")
    better = int(np.count_nonzero(d > 0 if unit_of(metric).higher_is_better else d < 0))
    return Comparison(*pair, len(d), float(d.mean()), *bootstrap_mean(d), better, signed_rank(d), smallest_p(len(d)))
