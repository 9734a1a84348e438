"""Mean and spread of scores over subjects (chapter *Evaluating the network*)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from guided_attention.errors import DataError
from guided_attention.evaluation.measured import Measured
from guided_attention.evaluation.scores import METRICS, SubjectScores

__all__ = ["SHOWN", "Statistic", "Summary", "subject_table", "summarise", "summary_table"]

#: What tables on a screen show, because all metrics side by side are wider than one; records and files hold them all.
SHOWN = ("dsc", "vs", "msd_mm", "nsd", "hd95_mm")


@dataclass(frozen=True)
class Statistic:
    """Mean and spread of one metric over subjects.

    Parameters
    ----------
    mean, std : float
        Mean and sample standard deviation (divisor n - 1) of the values that are numbers; NaN where there are
        too few.
    count : int
        Number of subjects with a value.
    absent : int
        Number of organ scores left out because the organ is absent from both prediction and reference.
    """

    mean: Annotated[float, Measured()]
    std: Annotated[float, Measured(0)]
    count: int
    absent: int


#: Statistics by organ (and ``mean``), then by metric.
Summary = dict[str, dict[str, Statistic]]


def summarise(scores: Iterable[SubjectScores]) -> Summary:
    """Mean and standard deviation over subjects, per organ and for the mean over organs.

    The row ``mean`` first averages the organs of each subject and then goes over subjects, so its standard
    deviation says how much *subjects* differ. Organs absent from both prediction and reference are left out and
    counted in ``absent``.

    Raises
    ------
    DataError
        If there are no scores, or a subject occurs twice.
    """
    scores = list(scores)
    names = [score.subject for score in scores]
    if not scores:
        raise DataError("scores: expected at least one subject, found none.")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"scores: each subject must occur once, found more than one of {', '.join(twice)}.")
    summary: Summary = {}
    for organ in (score.organ for score in scores[0].organs):
        rows = [score[organ] for score in scores]
        summary[organ] = {metric: _statistic([getattr(row, metric) for row in rows]) for metric in METRICS}
    summary["mean"] = {
        metric: _statistic(
            [score.mean(metric) for score in scores],
            absent=sum(summary[organ][metric].absent for organ in summary),
        )
        for metric in METRICS
    }
    return summary


def _statistic(values: Sequence[float], absent: int | None = None) -> Statistic:
    known = [value for value in values if not math.isnan(value)]
    return Statistic(
        mean=float(np.mean(known)) if known else float("nan"),
        std=float(np.std(known, ddof=1)) if len(known) > 1 else float("nan"),
        count=len(known),
        absent=len(values) - len(known) if absent is None else absent,
    )


def summary_table(summary: Summary, metrics: Sequence[str] = SHOWN) -> str:
    """Lay out a summary as a plain text table: one row per organ, mean and standard deviation per metric.

    A metric that a summary does not have, because it is older, has no column.
    """
    metrics = [metric for metric in metrics if all(metric in row for row in summary.values())]
    wide = _width(summary)
    lines = [f"{'organ':<{wide}}" + "".join(f"{metric:>16}" for metric in metrics) + f"{'absent':>8}"]
    for organ, row in summary.items():
        cells = "".join(f"{s.mean:>8.3f} ±{_spread(s.std)}" for s in map(row.get, metrics))
        lines.append(f"{organ:<{wide}}{cells}{row['dsc'].absent:>8}")
    return "\n".join(lines)


def _spread(std: float) -> str:
    return f"{'-':>6}" if math.isnan(std) else f"{std:>6.3f}"  # of one subject there is none


def _width(organs: Iterable[str]) -> int:
    return max(13, 1 + max(map(len, organs), default=0))


def subject_table(
    scores: Iterable[SubjectScores], seen: Mapping[str, str] | None = None, metrics: Sequence[str] = SHOWN
) -> str:
    """Lay out scores as a plain text table: one row per subject and organ; ``nan`` marks an organ absent from both.

    ``seen`` (subject -> ``"train"`` or ``"validation"``) marks subjects that the network has seen in its training.
    """
    scores = tuple(scores)
    wide = _width(score.organ for subject in scores for score in subject.organs)
    lines = [f"{'subject':<14}{'organ':<{wide}}" + "".join(f"{metric:>11}" for metric in metrics) + "  presence"]
    for subject in scores:
        mark = f"  seen in {seen[subject.subject]}" if seen and subject.subject in seen else ""
        for score in subject.organs:
            cells = "".join(f"{getattr(score, metric):>11.3f}" for metric in metrics)
            lines.append(f"{subject.subject:<14}{score.organ:<{wide}}{cells}  {score.presence}{mark}")
    return "\n".join(lines)
