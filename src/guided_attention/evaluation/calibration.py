"""Is a network as sure as it is right? Reliability and expected calibration error (chapter *State of the art*).

Over a whole abdominal slice almost every pixel is certain background, which makes any network look calibrated. So
these functions are given the voxels that matter: those that are organ in the prediction or in the reference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from guided_attention.errors import DataError
from guided_attention.evaluation.measured import Measured

__all__ = ["BINS", "Reliability", "expected_calibration_error", "pool_reliability", "reliability"]

#: Equal bins of confidence between 0 and 1.
BINS = 15
#: A confidence of float32 may be a rounding error above 1.
_Share = Annotated[float, Measured(0, 1 + 1e-6)]


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy, in `BINS` equal bins of confidence.

    Parameters
    ----------
    count : tuple of int
        Voxels in each bin; bin b holds confidences in (b / BINS, (b + 1) / BINS].
    confidence, accuracy : tuple of float
        Mean confidence of these voxels and the share of them that is right; NaN in an empty bin.
    """

    count: tuple[int, ...]
    confidence: tuple[_Share, ...]
    accuracy: tuple[_Share, ...]


def reliability(confidence: np.ndarray, correct: np.ndarray) -> Reliability:
    """Sort voxels into bins of confidence.

    Parameters
    ----------
    confidence : array of float, any shape
        Largest softmax probability of each voxel, 0 to 1.
    correct : array of bool, same shape
        Whether the class with that probability is the reference's.

    Raises
    ------
    DataError
        If the shapes differ or a confidence lies outside 0 to 1.
    """
    confidence, correct = np.asarray(confidence, np.float64).ravel(), np.asarray(correct, bool).ravel()
    if confidence.shape != correct.shape:
        raise DataError(f"correct: expected one value for each of {confidence.size} voxels, found {correct.size}.")
    if confidence.size and not (confidence.min() >= 0 and confidence.max() <= 1 + 1e-6):
        raise DataError(f"confidence: expected 0 to 1, found {confidence.min():.3g} to {confidence.max():.3g}.")
    index = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(index, minlength=BINS)
    with np.errstate(invalid="ignore"):
        sure = np.bincount(index, confidence, BINS) / count
        right = np.bincount(index, correct, BINS) / count
    return Reliability(tuple(count.tolist()), tuple(sure.tolist()), tuple(right.tolist()))


def pool_reliability(parts: Sequence[Reliability]) -> Reliability:
    """Put the voxels of several volumes together: means weighted by the voxels in each bin.

    Raises
    ------
    DataError
        If there is nothing to pool.
    """
    if not parts:
        raise DataError("parts: expected at least one Reliability, found none.")
    count = np.array([part.count for part in parts])

    def mean(values: list[tuple[float, ...]]) -> tuple[float, ...]:
        total = (np.nan_to_num(np.array(values, np.float64)) * count).sum(0)
        return tuple((total / count.sum(0)).tolist())

    with np.errstate(invalid="ignore"):
        return Reliability(
            tuple(count.sum(0).tolist()), mean([p.confidence for p in parts]), mean([p.accuracy for p in parts])
        )


def expected_calibration_error(bins: Reliability) -> float:
    """Mean distance between confidence and accuracy, weighted by the voxels of each bin; NaN without voxels.

    0 is perfect: of the voxels called organ with 80 % confidence, 80 % are that organ. Guo et al. (2017).
    """
    total = sum(bins.count)
    if not total:
        return math.nan
    filled = [row for row in zip(bins.count, bins.confidence, bins.accuracy, strict=True) if row[0]]
    return sum(count * abs(sure - right) for count, sure, right in filled) / total
