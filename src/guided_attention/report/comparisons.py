"""Is one network better than another? Paired tests over the same test subjects (chapter *State of the art*).

The paper compares means. Its networks were tested on the same subjects, so the differences can be paired; and the
more pairs of networks are compared, the more of them differ by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from guided_attention.errors import DataError
from guided_attention.report.differences import Comparison, Comparisons
from guided_attention.report.intervals import bootstrap_mean
from guided_attention.report.names import unit_of
from guided_attention.report.results import Results
from guided_attention.report.signed_rank import signed_rank, smallest_p
from guided_attention.report.subjects import subject_values

__all__ = ["STEPS", "ablation_steps", "has_steps", "paired_tests"]

#: What each step of the ablation adds: a network and the one it adds to.
STEPS = (("pam", "daf"), ("cam", "daf"), ("dual", "daf"), ("ms-dual", "dual"), ("ms-dual-guided", "ms-dual"))


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
    if not (steps := _steps(results)):
        raise DataError(
            f"{results.root / results.dataset.name}: found records of {', '.join(results.models)}; a step needs two of "
            f"the ablation's networks: {', '.join(' after '.join(step) for step in STEPS)}."
        )
    return _family(results, steps, metric, organ)


def has_steps(results: Results) -> bool:
    """Return whether there is a step of the ablation with records of both networks."""
    return bool(_steps(results))


def _steps(results: Results) -> list[tuple[str, str]]:
    return [step for step in STEPS if all(model in results.records for model in step)]


def _family(results: Results, pairs: Sequence[tuple[str, str]], metric: str, organ: str) -> Comparisons:
    from statsmodels.stats.multitest import multipletests

    values = {m: subject_values(results, m, metric, organ) for m in {model for pair in pairs for model in pair}}
    rows = [_compare(values[model], values[reference], model, reference, metric) for model, reference in pairs]
    corrected = multipletests([row.p for row in rows], method="holm")[1]
    rows = [replace(row, p_holm=float(p)) for row, p in zip(rows, corrected, strict=True)]
    return Comparisons(metric, organ, tuple(rows), results.label, results.warnings)


def _compare(ours: dict[str, float], theirs: dict[str, float], model: str, reference: str, metric: str) -> Comparison:
    pairs = [(ours[s], theirs[s]) for s in ours if s in theirs]
    d = np.array([a - b for a, b in pairs if not (math.isnan(a) or math.isnan(b))])
    if not len(d):
        raise DataError(f"{model} and {reference}: no test subject has a {metric} from both.")
    low, high = bootstrap_mean(d)
    better = int(np.count_nonzero(d > 0 if unit_of(metric).higher_is_better else d < 0))
    return Comparison(model, reference, len(d), float(d.mean()), low, high, better, signed_rank(d), smallest_p(len(d)))
