"""Scores by subject, their mean and spread, intervals and tests (chapters *Ablation* and *State of the art*).

Subjects are the unit, whatever the number of seeds and folds: two trainings tested on one subject are not two subjects.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from guided_attention.errors import SettingsError, require_choice
from guided_attention.evaluation.calibration import Reliability, pool_reliability
from guided_attention.evaluation.summary import Statistic, Summary
from guided_attention.report.names import unit_of
from guided_attention.report.results import Results

__all__ = [
    "EXACT_UP_TO",
    "bootstrap_mean",
    "interval_note",
    "pooled_reliability",
    "signed_rank",
    "smallest_p",
    "subject_values",
    "summary_of",
]

#: Resamples of the subjects for one interval.
_RESAMPLES = 9999
#: So many random sign changes stand for all 2**n of the signed-rank test where they are more.
_SIGN_CHANGES = 99_999
#: Differences up to which the signed-rank test tries all of them.
EXACT_UP_TO = int(math.log2(_SIGN_CHANGES))


def subject_values(results: Results, model: str, metric: str = "dsc", organ: str = "mean") -> dict[str, float]:
    """Return one number for each test subject of all folds: the mean over seeds.

    Parameters
    ----------
    results : Results
    model : str
        A network with records.
    metric : str
        One of `guided_attention.evaluation.scores.METRICS`, in its own unit (DSC and VS 0 to 1).
    organ : str
        One of ``results.columns``: an organ, or ``mean``, the mean over the organs of each subject.

    Returns
    -------
    dict from subject to float
        In natural order; NaN where the organ is absent from reference and prediction.
    """
    unit_of(metric)
    require_choice("organ", organ, results.columns)
    rows = results.scores_of(model)
    rows = rows[(rows["metric"] == metric) & (rows["organ"] == organ)]
    return rows.groupby("subject", sort=False)["value"].mean().to_dict()


def summary_of(results: Results, model: str) -> Summary:
    """Mean and standard deviation over test subjects, all folds pooled as in the paper's tables.

    Returns
    -------
    dict from organ (and ``mean``) to dict from metric to Statistic
        The same as `guided_attention.evaluation.summary.summarise` where there is one seed. ``absent`` counts scores
        of single records: an organ absent in two seeds counts twice.
    """
    rows = results.scores_of(model)
    place = ["organ", "metric"]
    seeds_averaged = rows.groupby([*place, "subject"], sort=False)["value"].mean()
    found = seeds_averaged.groupby(place, sort=False).agg(["mean", "std", "count"])
    absent = rows.assign(absent=rows["value"].isna()).pivot_table("absent", "metric", "organ", "sum")
    absent["mean"] = absent.drop(columns="mean").sum(axis="columns")
    summary: Summary = {}
    for (organ, metric), *numbers in found.assign(absent=absent.unstack()).itertuples():
        summary.setdefault(organ, {})[metric] = Statistic(*numbers)
    return summary


def pooled_reliability(results: Results, model: str) -> Reliability | None:
    """Return confidence against accuracy over the voxels of all records of a network; None if none measured it."""
    parts = [score.reliability for record in results.of(model) for score in record.scores]
    known = [part for part in parts if part is not None]
    return pool_reliability(known) if known else None


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

    def mean(x: np.ndarray, axis: int) -> np.ndarray:
        # The bias correction counts the means below that of the sample. Of five subjects one draw in 26 is the sample
        # itself in another order: its mean is a tie, and no last digit may make it smaller.
        return np.round(np.mean(x, axis=axis), 12)

    # vectorized and a fixed generator; 'rng' came with SciPy 1.15, a generator by its older name works in all.
    interval = bootstrap(
        (known,),
        mean,
        confidence_level=level,
        n_resamples=_RESAMPLES,
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
            f" With n = {n} there are only {math.comb(2 * n - 1, n)} different resamples, and such intervals are "
            "too narrow: they cover the true mean less often than they claim."
        )
    return note


def signed_rank(differences: Sequence[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, exact also where differences are equal or zero.

    Under the null hypothesis every difference could as well have the other sign: all 2**n ways are tried
    (`EXACT_UP_TO`). Zeros keep their rank and count for neither side (Pratt 1959), so they make the test weaker.
    The same as ``scipy.stats.wilcoxon(d, zero_method="pratt", method=PermutationMethod())``, which ranks again for
    every sign pattern and takes seconds for 15 subjects.

    Returns
    -------
    float
        NaN for no differences, 1 for a single one or if all are zero.
    """
    from scipy.stats import permutation_test, rankdata

    d = np.round(np.asarray(differences, np.float64), 12)  # 0.3 - 0.2 and 0.2 - 0.1 are equal
    if len(d) < 2:
        return 1.0 if len(d) else math.nan
    return float(
        permutation_test(
            (np.sign(d) * rankdata(np.abs(d)),),
            np.sum,
            permutation_type="samples",
            vectorized=True,
            n_resamples=_SIGN_CHANGES,
            random_state=np.random.default_rng(0),
        ).pvalue
    )


def smallest_p(n: int) -> float:
    """Smallest p that a two-sided signed-rank test of ``n`` subjects can give: all differences have one sign."""
    return min(1.0, 2.0 ** (1 - n)) if n else math.nan
