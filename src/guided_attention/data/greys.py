"""Grey values of a volume on a common scale (chapter *From scanner to tensor*)."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from guided_attention.errors import DataError, require_choice

__all__ = ["NORMALISATIONS", "Normalisation", "normalise"]

Normalisation = Literal["percentile", "zscore", "minmax", "robust", "halves", "arcsinh", "nonzero", "ct"]
NORMALISATIONS: tuple[str, ...] = get_args(Normalisation)
#: Percentiles that become 0 and 1.
_LOW, _HIGH = 0.5, 99.5
#: How many times as bright as the median of the body a voxel may be, to count (of 4, 4.5 and 5 the best compromise:
#: with 4 the brightest organs of some scans no longer count, with 5 a large cyst does).
_FENCE = 4.5
#: Percentile of half a slice, the brightness of the brightest thing in it.
_HALF = 99.9
#: Hounsfield units that become 0 and 1: the usual window for soft tissue, 400 wide about 40.
_WINDOW = -160.0, 240.0


def normalise(image: np.ndarray, how: str = "percentile") -> np.ndarray:
    """Bring the grey values of one volume to a common scale.

    MR has no units: the same liver is 200 in one subject and 800 in the next. One scale per volume, not per slice,
    so that an organ keeps its grey from slice to slice. An image of several channels gets one scale for each: call
    this for every channel.

    Parameters
    ----------
    image : ndarray, (D, H, W)
        The whole volume, of one channel.
    how : {"percentile", "zscore", "minmax", "robust", "halves", "arcsinh", "nonzero", "ct"}
        - ``"percentile"``: the 0.5th percentile becomes 0, the 99.5th 1, what lies beyond is clipped (a few very
          bright voxels do not decide about all others; a stomach full of fluid does).
        - ``"zscore"``: mean 0, standard deviation 1. ``"minmax"``: 0 to 1.
        - ``"robust"``: the 0.5th percentile becomes 0. The unit is the 99.5th percentile without the voxels that are
          more than 4.5 times as bright as the median of the body, which is all that is brighter than half the mean;
          without them mean and median are smaller, so this is repeated until nothing more is left out. Then tanh:
          nearly linear for most organs, and what is far brighter comes close to 1 without being clipped.
        - ``"halves"``: as ``"percentile"``, but 1 is what the darker half of a slice, left or right, has as its 99.9th
          percentile, in the median of all slices.
        - ``"arcsinh"``: the median of the body is the unit; arcsinh follows, and so bends the greys of organs, too.
        - ``"nonzero"``: mean 0, standard deviation 1 of the voxels that are not 0, which stay 0: what nnU-Net (Isensee
          et al. 2021) does with MR whose background was removed.
        - ``"ct"``: Hounsfield units, which mean the same in every scan: -160 becomes 0, 240 becomes 1, what lies
          beyond is clipped. Not for MR.

    Returns
    -------
    ndarray, float32, (D, H, W)
        A constant image becomes 0 everywhere, except by ``"ct"``.

    Raises
    ------
    SettingsError
        If ``how`` is unknown.
    DataError
        If a value is NaN or infinite.
    """
    require_choice("normalisation", how, NORMALISATIONS)
    image = np.asarray(image, np.float32)
    if not np.isfinite(image).all():
        raise DataError("image: expected finite grey values to normalise, found NaN or infinity.")
    low, scale = _scale(image, how)
    if scale <= 0:
        return np.zeros_like(image)
    scaled = (image - np.float32(low)) / np.float32(scale)
    if how in ("robust", "arcsinh"):
        return (np.tanh if how == "robust" else np.arcsinh)(scaled, out=scaled)
    if how == "nonzero":
        scaled[image == 0] = 0
    return np.clip(scaled, 0, 1, out=scaled) if how in ("percentile", "halves", "ct") else scaled


def _scale(image: np.ndarray, how: str) -> tuple[float, float]:
    """Grey that becomes 0, and the distance from there to the grey that becomes 1."""
    if how in ("zscore", "nonzero"):
        counted = image if how == "zscore" else image[image != 0]
        return (float(counted.mean(dtype=np.float64)), float(counted.std(dtype=np.float64))) if counted.size else (0, 0)
    if how == "minmax":
        return float(image.min()), float(image.max()) - float(image.min())
    if how == "ct":
        return _WINDOW[0], _WINDOW[1] - _WINDOW[0]
    low = float(np.percentile(image, _LOW))
    if how == "percentile":
        return low, float(np.percentile(image, _HIGH)) - low
    if how == "halves":
        middle = (image.shape[2] + 1) // 2
        halves = [half.reshape(len(image), -1) for half in (image[:, :, :middle], image[:, :, -middle:])]
        return low, float(np.median(np.min([np.percentile(half, _HALF, axis=1) for half in halves], axis=0))) - low
    counted = image.ravel() - np.float32(low)
    middle = _body_median(counted)
    if how == "arcsinh":
        return low, middle
    while (kept := counted[counted <= _FENCE * middle]).size < counted.size:
        counted, middle = kept, _body_median(kept)
    return low, float(np.percentile(counted, _HIGH))


def _body_median(grey: np.ndarray) -> float:
    """Median of what is brighter than half the mean; 0 of nothing."""
    body = grey[grey > grey.mean(dtype=np.float64) / 2] if grey.size else grey
    return float(np.median(body)) if body.size else 0.0
