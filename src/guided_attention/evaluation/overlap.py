"""The metrics of eq. 12-15 and their relatives, one organ in one whole volume (chapter *Evaluating the network*).

Every function takes two boolean (D, H, W) masks, the prediction and the reference. What happens when an organ
is absent:

==========================  ===================  =========================  =========================
metric                      absent from both     only in the reference      only in the prediction
==========================  ===================  =========================  =========================
DSC, VS, NSD                NaN                  0                          0
RAVD                        NaN                  100 %                      100 %
every surface distance      NaN                  diagonal of the volume     diagonal of the volume
==========================  ===================  =========================  =========================

NaN says *there was nothing to measure*; averages leave it out and count it. The diagonal is argued for in
`surface_distances`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from guided_attention.evaluation.distances import surface_distances
from guided_attention.evaluation.surfaces import check_masks

__all__ = [
    "average_symmetric_surface_distance",
    "dice",
    "directed_surface_distances",
    "hausdorff_distance_95",
    "maximum_surface_distance",
    "mean_surface_distance",
    "normalised_surface_dice",
    "relative_absolute_volume_difference",
    "volume_similarity",
]


def dice(pred: ArrayLike, ref: ArrayLike) -> float:
    """Dice coefficient, DSC = 2 |A n B| / (|A| + |B|) (eq. 12).

    Parameters
    ----------
    pred, ref : ndarray, bool, (D, H, W)
        Prediction A and reference B.

    Returns
    -------
    float
        0 (no common voxel) to 1 (equal); NaN if both masks are empty.

    Raises
    ------
    DataError
        If the masks are not boolean (D, H, W) arrays of one shape.
    """
    pred, ref = check_masks(pred, ref)
    a, b = np.count_nonzero(pred), np.count_nonzero(ref)
    return 2 * np.count_nonzero(pred & ref) / (a + b) if a + b else float("nan")


def volume_similarity(pred: ArrayLike, ref: ArrayLike) -> float:
    """Volume similarity, VS = 1 - ||A| - |B|| / (|A| + |B|) (eq. 13).

    It compares sizes only: two masks that share no voxel have VS = 1 if they are equally large.

    Parameters
    ----------
    pred, ref : ndarray, bool, (D, H, W)

    Returns
    -------
    float
        0 (one mask is empty) to 1 (same volume); NaN if both are empty.

    Raises
    ------
    DataError
        If the masks are not boolean (D, H, W) arrays of one shape.
    """
    pred, ref = check_masks(pred, ref)
    a, b = np.count_nonzero(pred), np.count_nonzero(ref)
    return 1 - abs(a - b) / (a + b) if a + b else float("nan")


def relative_absolute_volume_difference(pred: ArrayLike, ref: ArrayLike) -> float:
    """Relative absolute volume difference, RAVD = 100 ||A| - |B|| / |B|, in per cent (CHAOS challenge).

    Not symmetric: the difference is measured against the reference. An organ that the reference does not have makes
    the fraction infinite; it counts as 100 %, the same as one that was missed, so that a mean over subjects
    stays finite.

    Parameters
    ----------
    pred, ref : ndarray, bool, (D, H, W)

    Returns
    -------
    float
        Per cent, 0 or more (over 100 when the prediction is more than twice as large); NaN if both masks are empty.

    Raises
    ------
    DataError
        If the masks are not boolean (D, H, W) arrays of one shape.
    """
    pred, ref = check_masks(pred, ref)
    a, b = np.count_nonzero(pred), np.count_nonzero(ref)
    if b == 0:
        return 100.0 if a else float("nan")
    return 100 * abs(a - b) / b


def directed_surface_distances(
    pred: ArrayLike, ref: ArrayLike, spacing: ArrayLike = (1, 1, 1)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances d(a, B) of all surface voxels a of the prediction, and d(b, A) of those of the reference (eq. 15).

    The paper's eq. 15 prints a squared norm; the unit of the values it reports (voxels) and its text ask for
    the plain one. See `surface_distances` for parameters, units, errors and masks without a surface.
    """
    distances = surface_distances(pred, ref, spacing)
    return distances.forward, distances.backward


def mean_surface_distance(pred: ArrayLike, ref: ArrayLike, spacing: ArrayLike = (1, 1, 1)) -> float:
    """Mean surface distance: the sum over both directions, divided by the number of all surface voxels (eq. 14).

    Equal to MONAI's ``SurfaceDistanceMetric(symmetric=True)``, MedPy's ``assd`` from 0.5 on, and what CHAOS
    calls ASSD, as long as no mask touches the edge of the volume: there MONAI and MedPy see a surface, CHAOS
    and we do not (see `surface`).

    Parameters
    ----------
    pred, ref : ndarray, bool, (D, H, W)
    spacing : (dz, dy, dx)
        (1, 1, 1) gives voxels (as the paper reports), `Volume.spacing` millimetres.

    Returns
    -------
    float
        In the unit of ``spacing``; NaN if both masks are empty, the volume's diagonal if one is.

    Raises
    ------
    DataError
        If the masks are not boolean (D, H, W) arrays of one shape.
    SettingsError
        If the spacing is not three positive numbers.
    """
    return surface_distances(pred, ref, spacing).pooled_mean


def average_symmetric_surface_distance(pred: ArrayLike, ref: ArrayLike, spacing: ArrayLike = (1, 1, 1)) -> float:
    """Average symmetric surface distance: the mean of the two directed means.

    Each direction weighs the same here, however many voxels its surface has; eq. 14 gives each voxel the same
    weight. This is ``assd`` of MedPy up to 0.4, which many papers used. Parameters, unit, absent organs and
    errors are those of `mean_surface_distance`.
    """
    return surface_distances(pred, ref, spacing).mean_of_means


def maximum_surface_distance(pred: ArrayLike, ref: ArrayLike, spacing: ArrayLike = (1, 1, 1)) -> float:
    """Maximum surface distance: the farthest that a surface voxel of either mask is from the other surface.

    The symmetric Hausdorff distance of the surfaces; CHAOS calls it MSSD, MONAI ``HausdorffDistanceMetric``.
    Parameters, unit, absent organs and errors are those of `mean_surface_distance`.
    """
    return surface_distances(pred, ref, spacing).maximum


def hausdorff_distance_95(pred: ArrayLike, ref: ArrayLike, spacing: ArrayLike = (1, 1, 1)) -> float:
    """Robust Hausdorff distance: the larger of the two directions' 95th percentiles.

    MONAI's ``HausdorffDistanceMetric(percentile=95)``, away from the edge of the volume. One wrong voxel far away sets
    `maximum_surface_distance` alone; it leaves this one as it is. Parameters, unit, absent organs and errors are those
    of `mean_surface_distance`.
    """
    return surface_distances(pred, ref, spacing).percentile(95)


def normalised_surface_dice(pred: ArrayLike, ref: ArrayLike, tolerance: float, spacing: ArrayLike = (1, 1, 1)) -> float:
    """Normalised surface Dice: the share of both surfaces that lies within a tolerance of the other one.

    Source: S. Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy", Journal
    of Medical Internet Research 23(7), e26151 (2021). Voxels are counted, as by MONAI's ``SurfaceDiceMetric``; the
    original weighs each by the area of its surface.

    Parameters
    ----------
    pred, ref : ndarray, bool, (D, H, W)
    tolerance : float
        Distance that is still right, in the unit of ``spacing``; a surface exactly that far away counts.
    spacing : (dz, dy, dx)
        As for `mean_surface_distance`.

    Returns
    -------
    float
        0 (no surface voxel is near the other surface) to 1 (all are); NaN if both masks are empty, 0 if one is.

    Raises
    ------
    DataError
        If the masks are not boolean (D, H, W) arrays of one shape.
    SettingsError
        If the spacing is not three positive numbers, or the tolerance is negative.
    """
    return surface_distances(pred, ref, spacing).share_within(tolerance)
