"""Scores of one subject: which organ, which metric, which unit (chapter *Evaluating the network*)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np

from guided_attention.data.volume import ORGANS, Volume
from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.calibration import Reliability, reliability
from guided_attention.evaluation.challenge import chaos_score
from guided_attention.evaluation.distances import surface_pair
from guided_attention.evaluation.measured import Measured
from guided_attention.evaluation.overlap import dice, relative_absolute_volume_difference, volume_similarity

__all__ = ["METRICS", "NSD_TOLERANCE", "OrganScore", "SubjectScores", "evaluate_subject"]

#: How far from the reference an organ's surface still is right, in mm: about two pixels of an abdominal MRI scan.
NSD_TOLERANCE = 3.0
_Share, _Amount = Annotated[float, Measured(0, 1)], Annotated[float, Measured(0)]


@dataclass(frozen=True)
class OrganScore:
    """All metrics of one organ in one volume; NaN where the organ is absent from both prediction and reference.

    Parameters
    ----------
    organ : str
        One of `ORGANS`.
    predicted_voxels, reference_voxels : int
        Size of the organ in both.
    dsc, vs : float
        Dice coefficient (eq. 12) and volume similarity (eq. 13), 0 to 1.
    msd_voxels, msd_mm : float
        Mean surface distance (eq. 14), as the paper reports it and in millimetres.
    ravd_percent : float
        Relative absolute volume difference.
    assd_mm : float
        Mean of the two directed mean surface distances.
    maximum_mm : float
        Maximum surface distance.
    chaos : float
        The CHAOS challenge's score, 0 to 100; 0 for an organ that was missed or invented.
    hd95_mm : float
        Robust Hausdorff distance: the larger of the two directions' 95th percentiles. NaN in records from before.
    nsd : float
        Normalised surface Dice at a tolerance of `NSD_TOLERANCE`, 0 to 1. NaN in records from before.
    """

    organ: str
    predicted_voxels: int
    reference_voxels: int
    dsc: _Share
    vs: _Share
    msd_voxels: _Amount
    msd_mm: _Amount
    ravd_percent: _Amount
    assd_mm: _Amount
    maximum_mm: _Amount
    chaos: Annotated[float, Measured(0, 100)]
    hd95_mm: _Amount = math.nan
    nsd: _Share = math.nan

    @property
    def presence(self) -> str:
        """Where the organ is: ``both``, ``missed`` (reference only), ``invented`` (prediction only) or ``neither``."""
        if self.reference_voxels:
            return "both" if self.predicted_voxels else "missed"
        return "invented" if self.predicted_voxels else "neither"


#: The metrics of an `OrganScore`, in the order of tables: all its fields after the organ and its two sizes.
METRICS = tuple(field.name for field in fields(OrganScore)[3:])


@dataclass(frozen=True)
class SubjectScores:
    """The scores of one subject.

    Parameters
    ----------
    subject : str
    organs : tuple of OrganScore
        One for each organ.
    reliability : Reliability, optional
        How sure and how right the network was, over the voxels that are organ in prediction or reference; None where
        only labels were scored.
    """

    subject: str
    organs: tuple[OrganScore, ...]
    reliability: Reliability | None = None

    def __getitem__(self, organ: str) -> OrganScore:
        for score in self.organs:
            if score.organ == organ:
                return score
        known = ", ".join(score.organ for score in self.organs)
        raise SettingsError(f"organ: expected one of {known}, found {organ!r}.")

    def mean(self, metric: str = "dsc") -> float:
        """Mean of a metric over the organs that could be measured; NaN if there is none."""
        values = [getattr(score, metric) for score in self.organs]
        known = [value for value in values if not math.isnan(value)]
        return sum(known) / len(known) if known else float("nan")


def evaluate_subject(prediction: Volume, reference: Volume, confidence: np.ndarray | None = None) -> SubjectScores:
    """Score a predicted label volume against its reference, organ by organ.

    Parameters
    ----------
    prediction, reference : Volume
        With labels (D, H, W) of the same shape and the same spacing; millimetres come from the reference's spacing.
    confidence : array (D, H, W), optional
        Largest softmax probability of each voxel, from `guided_attention.evaluation.predict.predict_with_confidence`.

    Raises
    ------
    DataError
        If one has no labels, or shape, spacing or subject differ.
    """
    who = f"subject {reference.subject!r}"
    for name, volume in (("prediction", prediction), ("reference", reference)):
        if volume.labels is None:
            raise DataError(f"{who}: the {name} has no labels, so there is nothing to compare.")
    if prediction.subject != reference.subject:
        raise DataError(f"{who}: the prediction belongs to subject {prediction.subject!r}.")
    if prediction.shape != reference.shape or not np.allclose(prediction.spacing, reference.spacing, rtol=1e-3):
        raise DataError(
            f"{who}: prediction and reference must share shape and spacing, found {prediction.shape} with "
            f"{prediction.spacing} mm and {reference.shape} with {reference.spacing} mm. predict_volume brings a "
            "prediction back to the volume's own matrix."
        )
    scores = [
        _score_organ(organ, prediction.labels == value, reference.labels == value, reference.spacing)
        for value, organ in enumerate(ORGANS, start=1)
    ]
    if confidence is None:
        return SubjectScores(reference.subject, tuple(scores))
    if confidence.shape != reference.shape:
        raise DataError(f"{who}: expected confidence of shape {reference.shape}, found {confidence.shape}.")
    organ = (prediction.labels > 0) | (reference.labels > 0)
    bins = reliability(confidence[organ], (prediction.labels == reference.labels)[organ])
    return SubjectScores(reference.subject, tuple(scores), bins)


def _score_organ(organ: str, pred: np.ndarray, ref: np.ndarray, spacing: tuple[float, float, float]) -> OrganScore:
    surfaces = surface_pair(pred, ref)
    in_mm = surfaces.distances(spacing)
    dsc, ravd = dice(pred, ref), relative_absolute_volume_difference(pred, ref)
    score = chaos_score(dsc, ravd, in_mm.pooled_mean, in_mm.maximum)
    if pred.any() != ref.any():
        score = 0.0  # in a very small volume even the diagonal could stay within the challenge's limits
    return OrganScore(
        organ=organ,
        predicted_voxels=int(np.count_nonzero(pred)),
        reference_voxels=int(np.count_nonzero(ref)),
        dsc=dsc,
        vs=volume_similarity(pred, ref),
        msd_voxels=surfaces.distances().pooled_mean,
        msd_mm=in_mm.pooled_mean,
        ravd_percent=ravd,
        assd_mm=in_mm.mean_of_means,
        maximum_mm=in_mm.maximum,
        chaos=score,
        hd95_mm=in_mm.percentile(95),
        nsd=in_mm.share_within(NSD_TOLERANCE),
    )
