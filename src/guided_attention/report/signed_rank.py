"""Wilcoxon's signed-rank test for few subjects, exact also with ties (chapter *State of the art*)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["EXACT_UP_TO", "signed_rank", "smallest_p"]

#: With more differences than this, 99999 random sign changes stand for all 2**n.
EXACT_UP_TO = 16


def signed_rank(differences: Sequence[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, exact also where differences are equal or zero.

    Under the null hypothesis every difference could as well have the other sign: all 2**n ways are tried
    (`EXACT_UP_TO`). Zeros keep their rank and count for neither side (Pratt 1959), so they make the test weaker.

    Returns
    -------
    float
        NaN for no differences, 1 for a single one or if all are zero.
    """
    from scipy.stats import permutation_test, rankdata

    d = np.round(np.asarray(differences, np.float64), 12)  # 0.3 - 0.2 and 0.2 - 0.1 are equal
    if not len(d):
        return math.nan
    if len(d) == 1 or not d.any():
        return 1.0

    def rank_sum(x: np.ndarray, axis: int = -1) -> np.ndarray:
        return (np.sign(x) * rankdata(np.abs(x), axis=axis)).sum(axis)

    result = permutation_test(
        (d,),
        rank_sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf if len(d) <= EXACT_UP_TO else 99_999,
        random_state=np.random.default_rng(0),
    )
    return float(result.pvalue)


def smallest_p(n: int) -> float:
    """Smallest p that a two-sided signed-rank test of ``n`` subjects can give: all differences have one sign."""
    return min(1.0, 2.0 ** (1 - n)) if n else math.nan
