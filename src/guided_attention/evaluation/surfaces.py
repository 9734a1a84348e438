"""Surfaces of masks, and the distances between two of them (chapter *Evaluating the network*).

Three published tools disagree on small print that changes the third digit, so ours is written down:

* *Surface*: voxels of the mask with a face neighbour (6-neighbourhood in 3-D) outside the mask. The edge of the
  volume is not outside, because nobody knows what the body does beyond the last slice. CHAOS's own evaluation
  does the same; MedPy and MONAI treat everything beyond the edge as background, and so find extra surface where
  an organ is cut by the edge.
* *Distance*: Euclidean, between voxel centres, with the spacing of the voxels.
* *Mean*: eq. 14 pools the distances of both directions. So do CHAOS, MONAI (``symmetric=True``) and MedPy from
  0.5 on; MedPy up to 0.4 averaged the means of the two directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from guided_attention.errors import DataError, SettingsError

__all__ = ["SurfaceDistances", "check_masks", "check_spacing", "surface", "surface_distances"]

Spacing = tuple[float, float, float]


def check_masks(pred: ArrayLike, ref: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return both masks as boolean (D, H, W) arrays of one shape, or say what is wrong with them.

    Raises
    ------
    DataError
        If a mask is not boolean, not three-dimensional, or has no voxels, or if the shapes differ.
    """
    masks = []
    for name, mask in (("pred", pred), ("ref", ref)):
        array = np.asarray(mask)
        if array.dtype != np.bool_:
            raise DataError(
                f"{name}: expected a boolean mask, found {array.dtype}. Compare labels with one class "
                "first, for example `labels == 1`."
            )
        if array.ndim != 3 or array.size == 0:
            raise DataError(
                f"{name}: expected a mask (D, H, W), found shape {array.shape}. Give the whole volume; a "
                "single slice is mask[None]."
            )
        masks.append(array)
    if masks[0].shape != masks[1].shape:
        raise DataError(
            f"pred and ref must have the same shape, found {masks[0].shape} and {masks[1].shape}. Bring the "
            "prediction back to the volume's own matrix first."
        )
    return masks[0], masks[1]


def check_spacing(spacing: ArrayLike) -> Spacing:
    """Return (dz, dy, dx) as three floats.

    Raises
    ------
    SettingsError
        If there are not three of them, or one is not positive and finite.
    """
    values = np.asarray(spacing, dtype=np.float64)
    if values.shape != (3,) or not (np.isfinite(values) & (values > 0)).all():
        raise SettingsError(
            f"spacing: expected three positive numbers (dz, dy, dx), found {spacing!r}. Use (1, 1, 1) for "
            "distances in voxels or Volume.spacing for millimetres."
        )
    return (float(values[0]), float(values[1]), float(values[2]))


def surface(mask: ArrayLike) -> NDArray[np.bool_]:
    """Find the voxels of a mask that touch its outside with a face.

    Parameters
    ----------
    mask : ndarray, bool, (D, H, W)

    Returns
    -------
    ndarray, bool, (D, H, W)
        True where the mask is True and at least one of the six face neighbours *within the volume* is False. A
        mask that fills the whole volume therefore has no surface.

    Raises
    ------
    DataError
        If the mask is not boolean or not three-dimensional.
    """
    mask, _ = check_masks(mask, mask)
    touches = np.zeros_like(mask)
    for axis in range(3):
        here, there = np.moveaxis(mask, axis, 0), np.moveaxis(touches, axis, 0)
        there[1:] |= ~here[:-1]
        there[:-1] |= ~here[1:]
    return touches & mask


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """The distances of eq. 15 between the surfaces of a prediction and a reference.

    Parameters
    ----------
    forward : ndarray, float64, (number of surface voxels of the prediction,)
        Distance of each surface voxel of the prediction to the nearest one of the reference.
    backward : ndarray, float64, (number of surface voxels of the reference,)
        The same from the reference to the prediction.
    without : float
        What the statistics are when there is no distance at all: NaN if both masks are empty, 0 if both fill
        the volume, and the volume's diagonal if one is empty and the other fills it.
    """

    forward: NDArray[np.float64]
    backward: NDArray[np.float64]
    without: float

    @property
    def pooled_mean(self) -> float:
        """Mean over the distances of both directions together (eq. 14)."""
        both = np.concatenate([self.forward, self.backward])
        return float(both.mean()) if both.size else self.without

    @property
    def mean_of_means(self) -> float:
        """Mean of the two directed means; a direction without surface voxels is left out."""
        means = [float(side.mean()) for side in (self.forward, self.backward) if side.size]
        return sum(means) / len(means) if means else self.without

    @property
    def maximum(self) -> float:
        """Largest distance of both directions: the Hausdorff distance of the surfaces."""
        return max((float(side.max()) for side in (self.forward, self.backward) if side.size), default=self.without)


def surface_distances(pred: ArrayLike, ref: ArrayLike, spacing: ArrayLike = (1, 1, 1)) -> SurfaceDistances:
    """Measure both surfaces against each other (eq. 15).

    Where the other mask has no surface (an organ that is missing, or invented), every distance is the
    **diagonal of the volume**, ``sqrt((D dz)^2 + (H dy)^2 + (W dx)^2)``. No real distance in this volume can be
    as large: so missing an organ is always worse than any attempt at it, the penalty is finite and can be
    averaged, and it depends on the scan, not on the network. Leaving such a case out instead would reward a
    network for missing the difficult organs.

    Parameters
    ----------
    pred, ref : ndarray, bool, (D, H, W)
        Prediction and reference of one organ in the whole volume.
    spacing : (dz, dy, dx)
        Distance between voxel centres. (1, 1, 1) measures in voxels, `Volume.spacing` in millimetres.

    Returns
    -------
    SurfaceDistances
        In the unit of ``spacing``.

    Raises
    ------
    DataError
        If the masks are not boolean (D, H, W) arrays of one shape.
    SettingsError
        If the spacing is not three positive numbers.
    """
    pred, ref = check_masks(pred, ref)
    spacing = check_spacing(spacing)
    diagonal = float(np.linalg.norm(np.multiply(pred.shape, spacing)))
    if not (pred.any() or ref.any()):
        nothing = np.empty(0)
        return SurfaceDistances(nothing, nothing, without=float("nan"))
    window = _window(pred | ref)
    pred_surface, ref_surface = surface(pred[window]), surface(ref[window])
    return SurfaceDistances(
        forward=_directed(pred_surface, ref_surface, spacing, diagonal),
        backward=_directed(ref_surface, pred_surface, spacing, diagonal),
        without=0.0 if np.array_equal(pred, ref) else diagonal,
    )


def _window(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Bounding box with one voxel around it, so that its border is background or the edge of the volume."""
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)


def _directed(
    source: NDArray[np.bool_], target: NDArray[np.bool_], spacing: Spacing, diagonal: float
) -> NDArray[np.float64]:
    if not target.any():
        return np.full(np.count_nonzero(source), diagonal)
    # The transform gives each voxel its distance to the nearest zero, that is to the nearest target voxel.
    return ndimage.distance_transform_edt(~target, sampling=spacing)[source]
