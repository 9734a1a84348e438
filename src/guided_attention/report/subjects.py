"""Scores by subject and their summary: subjects are the unit, whatever the number of seeds and folds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from guided_attention.data.source import natural_order
from guided_attention.errors import require_choice
from guided_attention.evaluation.scores import METRICS, SubjectScores
from guided_attention.evaluation.summary import Statistic
from guided_attention.report.names import COLUMNS, unit_of
from guided_attention.report.results import Results

__all__ = ["subject_values", "summary_of"]


def subject_values(results: Results, model: str, metric: str = "dsc", organ: str = "mean") -> dict[str, float]:
    """Return one number for each test subject of all folds: the mean over seeds.

    Two trainings tested on one subject are not two subjects; so seeds are averaged first.

    Parameters
    ----------
    results : Results
    model : str
        A network with records.
    metric : str
        One of `guided_attention.evaluation.scores.METRICS`, in its own unit (DSC and VS 0 to 1).
    organ : str
        One of `ORGANS`, or ``mean``: the mean over the organs of each subject.

    Returns
    -------
    dict from subject to float
        NaN where the organ is absent from reference and prediction.
    """
    unit_of(metric)
    require_choice("organ", organ, COLUMNS)
    by_subject: dict[str, list[float]] = {}
    for record in results.of(model):
        for score in record.scores:
            by_subject.setdefault(score.subject, []).append(_value(score, metric, organ))
    return {subject: _mean(by_subject[subject]) for subject in natural_order(by_subject)}


def summary_of(results: Results, model: str) -> dict[str, dict[str, Statistic]]:
    """Mean and standard deviation over test subjects, all folds pooled as in the paper's tables.

    Returns
    -------
    dict from organ (and ``mean``) to dict from metric to Statistic
        The same as `guided_attention.evaluation.summary.summarise` where there is one seed. ``absent`` counts scores
        of single records: an organ absent in two seeds counts twice.
    """
    scores = [score for record in results.of(model) for score in record.scores]
    absent = {
        organ: {metric: sum(math.isnan(_value(s, metric, organ)) for s in scores) for metric in METRICS}
        for organ in COLUMNS[:-1]
    }
    absent["mean"] = {metric: sum(row[metric] for row in absent.values()) for metric in METRICS}
    return {
        organ: {metric: _statistic(subject_values(results, model, metric, organ), n) for metric, n in row.items()}
        for organ, row in absent.items()
    }


def _statistic(values: Mapping[str, float], absent: int) -> Statistic:
    known = [value for value in values.values() if not math.isnan(value)]
    return Statistic(
        mean=float(np.mean(known)) if known else math.nan,
        std=float(np.std(known, ddof=1)) if len(known) > 1 else math.nan,
        count=len(known),
        absent=absent,
    )


def _value(score: SubjectScores, metric: str, organ: str) -> float:
    return score.mean(metric) if organ == "mean" else getattr(score[organ], metric)


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
