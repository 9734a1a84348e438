"""Is a network as sure as it is right? Calibration of every network (chapter *State of the art*)."""

from __future__ import annotations

import math

import numpy as np

from guided_attention.evaluation.calibration import Reliability, expected_calibration_error, pool_reliability
from guided_attention.report.names import NAMES
from guided_attention.report.results import Results
from guided_attention.report.table import Table

__all__ = ["calibration_table", "pooled_reliability"]


def pooled_reliability(results: Results, model: str) -> Reliability | None:
    """Return confidence against accuracy over the voxels of all records of a network; None if none measured it."""
    parts = [score.reliability for record in results.of(model) for score in record.scores]
    known = [part for part in parts if part is not None]
    return pool_reliability(known) if known else None


def calibration_table(results: Results) -> Table:
    """Lay out mean confidence, accuracy and expected calibration error (ECE) of every network.

    Over the voxels that are organ in prediction or reference, all test subjects pooled.
    """
    rows, unmeasured = [], []
    for model in results.models:
        bins = pooled_reliability(results, model)
        if bins is None:
            unmeasured.append(NAMES[model])
            continue
        sure, right = (_weighted(bins.count, values) for values in (bins.confidence, bins.accuracy))
        error = expected_calibration_error(bins)
        rows.append((NAMES[model], *(_percent(v) for v in (sure, right, error)), f"{sum(bins.count):,}"))
    notes = [
        "Over voxels that are organ in reference or prediction. ECE: mean distance between confidence and accuracy "
        "over 15 equal bins of confidence, weighted by voxels. Confidence above accuracy: the network is too sure."
    ]
    if unmeasured:
        notes.append(f"Not measured: {', '.join(unmeasured)}.")
    return Table(
        title=f"Calibration: {results.label}",
        columns=("network", "confidence (%)", "accuracy (%)", "ECE (points)", "voxels"),
        rows=tuple(rows),
        notes=(*notes, *results.warnings),
    )


def _weighted(count: tuple[int, ...], values: tuple[float, ...]) -> float:
    total = sum(count)
    return float(np.nan_to_num(values) @ np.array(count)) / total if total else math.nan


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"
