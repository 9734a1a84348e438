"""How far a mean over so few subjects can be trusted: bootstrap intervals (chapter *State of the art*)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from math import comb

import numpy as np

from guided_attention.errors import SettingsError
from guided_attention.report.names import NAMES, place_name, unit_of
from guided_attention.report.results import Results
from guided_attention.report.subjects import subject_values
from guided_attention.report.table import Table

__all__ = ["RESAMPLES", "bootstrap_mean", "interval_note", "mean_intervals"]

#: Resamples of the subjects for one interval.
RESAMPLES = 9999


def bootstrap_mean(values: Iterable[float], level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Bias-corrected and accelerated (BCa) bootstrap interval of a mean (Efron 1987), by ``scipy.stats.bootstrap``.

    Parameters
    ----------
    values : iterable of float
        One for each subject; NaN are left out.
    level : float
        Confidence level, between 0 and 1.
    seed : int
        Of the resampling: the same values give the same interval.

    Returns
    -------
    (float, float)
        NaN with fewer than two values. Of equal values: that value twice.

    Raises
    ------
    SettingsError
        If ``level`` is not between 0 and 1.
    """
    from scipy.stats import bootstrap

    if not 0 < level < 1:
        raise SettingsError(f"level={level} must lie between 0 and 1.")
    known = np.array([value for value in values if not math.isnan(value)], np.float64)
    if len(known) < 2:
        return math.nan, math.nan
    if np.ptp(known) == 0:
        return float(known[0]), float(known[0])
    # vectorized and a fixed generator; 'rng' came with SciPy 1.15, a generator by its older name works in all.
    interval = bootstrap(
        (known,),
        np.mean,
        confidence_level=level,
        n_resamples=RESAMPLES,
        method="BCa",
        vectorized=True,
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def interval_note(n: int) -> str:
    """Say what a bootstrap interval over ``n`` subjects is worth."""
    note = "Intervals: BCa bootstrap over subjects; the data sets and trainings themselves are not resampled."
    if n < 10:
        note += (
            f" With n = {n} there are only {comb(2 * n - 1, n)} different resamples, and such intervals are "
            "too narrow: they cover the true mean less often than they claim."
        )
    return note


def mean_intervals(
    results: Results, metric: str = "dsc", organ: str = "mean", level: float = 0.95, seed: int = 0
) -> Table:
    """Mean of every network with its bootstrap interval, best first.

    Parameters
    ----------
    results : Results
    metric, organ : str
        As for `subject_values`.
    level, seed
        As for `bootstrap_mean`.
    """
    unit = unit_of(metric)
    entries = []
    for model in results.models:
        values = [v for v in subject_values(results, model, metric, organ).values() if not math.isnan(v)]
        mean = float(np.mean(values)) if values else math.nan
        entries.append((model, mean, bootstrap_mean(values, level, seed), len(values)))
    entries.sort(key=lambda e: (math.isnan(e[1]), -e[1] if unit.higher_is_better else e[1]))

    def text(value: float) -> str:
        return "–" if math.isnan(value) else f"{value * unit.factor:.{unit.decimals}f}"

    return Table(
        title=f"Mean {unit.name}, {place_name(organ)}, with {level:.0%} intervals: {results.label}",
        columns=("network", "mean", "low", "high", "subjects"),
        rows=tuple(
            (NAMES[model], text(mean), text(low), text(high), str(n)) for model, mean, (low, high), n in entries
        ),
        notes=(interval_note(min(e[3] for e in entries)), *results.warnings),
    )
