"""Masks, and the surfaces of masks (chapter *Evaluating the network*).

*Surface*: voxels of the mask with a face neighbour (6-neighbourhood in 3-D) outside the mask. The edge of the volume is
not outside, because nobody knows what the body does beyond the last slice. CHAOS's own evaluation does the same; MedPy
and MONAI treat everything beyond the edge as background, and so find extra surface where an organ is cut by the edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from guided_attention.errors import DataError, SettingsError

__all__ = ["check_masks", "check_spacing", "surface"]

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
