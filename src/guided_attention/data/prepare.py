"""From the scanner's matrix to the network's, and grey values to a common scale (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from guided_attention.data.volume import Volume
from guided_attention.errors import DataError, SettingsError, require_choice

__all__ = ["HOW", "NORMALISATIONS", "fit_in_plane", "normalise"]

HOW = ("crop", "resample")
NORMALISATIONS = ("percentile", "zscore", "minmax")


def fit_in_plane(volume: Volume, size: int, how: str = "crop") -> Volume:
    """Bring every slice to ``size`` x ``size`` pixels.

    Parameters
    ----------
    volume : Volume
        Of any matrix.
    size : int
        Rows and columns afterwards.
    how : {"crop", "resample"}
        ``"crop"`` cuts out the centre, or pads with the image's minimum (labels: background): pixels keep their size
        and value, and what lies outside is lost. The authors did so with the 288 x 288 subjects. ``"resample"``
        keeps all of the picture and changes the pixel size: image linear (averaging where it shrinks), labels
        nearest.

    Returns
    -------
    Volume
        With spacing and affine of the new pixels. The same volume if its matrix fits already.

    Raises
    ------
    SettingsError
        If ``size`` is not positive or ``how`` is unknown.
    """
    require_choice("how", how, HOW)
    if size < 1:
        raise SettingsError(f"size={size} must be 1 or more.")
    if volume.shape[1:] == (size, size):
        return volume
    return _crop(volume, size) if how == "crop" else _resample(volume, size)


def _crop(volume: Volume, size: int) -> Volume:
    source, target, shift = [slice(None)], [slice(None)], []
    for own in volume.shape[1:]:
        common = min(own, size)
        first, second = (own - common) // 2, (size - common) // 2
        source.append(slice(first, first + common))
        target.append(slice(second, second + common))
        shift.append(first - second)

    def cut(array: np.ndarray, outside: float) -> np.ndarray:
        fitted = np.full((len(array), size, size), outside, array.dtype)
        fitted[tuple(target)] = array[tuple(source)]
        return fitted

    labels = None if volume.labels is None else cut(volume.labels, 0)
    affine = _moved(volume.affine, (1.0, 1.0), (float(shift[0]), float(shift[1])))
    return replace(volume, image=cut(volume.image, volume.image.min()), labels=labels, affine=affine)


def _resample(volume: Volume, size: int) -> Volume:
    import torch
    from torch.nn.functional import interpolate

    # pixels are areas: the outer edges of the picture stay where they are, not the centres of its corner pixels
    image = torch.from_numpy(volume.image)[:, None]
    image = interpolate(image, size=(size, size), mode="bilinear", align_corners=False, antialias=True)[:, 0].numpy()
    labels = None
    if volume.labels is not None:
        labels = interpolate(torch.from_numpy(volume.labels)[:, None], size=(size, size), mode="nearest-exact")
        labels = labels[:, 0].numpy()
    factors = tuple(own / size for own in volume.shape[1:])
    spacing = (volume.spacing[0], *(s * f for s, f in zip(volume.spacing[1:], factors, strict=True)))
    affine = _moved(volume.affine, factors, tuple(0.5 * (f - 1) for f in factors))
    return replace(volume, image=image, labels=labels, spacing=spacing, affine=affine)


def _moved(affine: np.ndarray | None, factors: tuple[float, float], shift: tuple[float, float]) -> np.ndarray | None:
    """Affine for new pixels, whose index i stands for factor * i + shift in the old ones; (row, column)."""
    if affine is None:
        return None
    change = np.diag([factors[1], factors[0], 1.0, 1.0])
    change[:2, 3] = shift[1], shift[0]
    return affine @ change


def normalise(image: np.ndarray, how: str = "percentile") -> np.ndarray:
    """Bring the grey values of one volume to a common scale.

    MR has no units: the same liver is 200 in one subject and 800 in the next. One scale per volume, not per slice,
    so that an organ keeps its grey from slice to slice.

    Parameters
    ----------
    image : ndarray, (D, H, W)
        The whole volume.
    how : {"percentile", "zscore", "minmax"}
        ``"percentile"``: the 0.5th percentile becomes 0, the 99.5th 1, what lies beyond is clipped (a few very bright
        voxels do not decide about all others). ``"zscore"``: mean 0, standard deviation 1. ``"minmax"``: 0 to 1.

    Returns
    -------
    ndarray, float32, (D, H, W)
        A constant image becomes 0 everywhere.

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
    if how == "zscore":
        low, scale = image.mean(dtype=np.float64), image.std(dtype=np.float64)
    else:
        low, high = np.percentile(image, (0.5, 99.5)) if how == "percentile" else (image.min(), image.max())
        scale = float(high) - float(low)
    if scale <= 0:
        return np.zeros_like(image)
    scaled = (image - np.float32(low)) / np.float32(scale)
    return np.clip(scaled, 0, 1, out=scaled) if how == "percentile" else scaled
