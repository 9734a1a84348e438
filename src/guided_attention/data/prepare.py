"""How a volume becomes an input, and logits become the volume's again (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from guided_attention.data.greys import NORMALISATIONS, Normalisation, normalise
from guided_attention.data.volume import Volume
from guided_attention.errors import SettingsError, require_choice

__all__ = ["HOW", "InputSettings", "fit_in_plane"]

HOW = ("crop", "resample")
#: Share of an organ's voxels that a crop may cut off without a word.
_TOLERATED = 0.01


@dataclass(frozen=True)
class InputSettings:
    """How a volume becomes the input of a network; kept beside the weights, because prediction must do the same.

    Parameters
    ----------
    size : int
        Rows and columns of the input.
    how : {"crop", "resample"}
        Whether another matrix size is cropped (or padded) about its centre, as the paper's authors did, or resampled;
        see `fit_in_plane`.
    normalisation : one of `NORMALISATIONS`
        Of the grey values of a whole volume after it was brought to ``size``; see
        `guided_attention.data.greys.normalise`.

    Raises
    ------
    SettingsError
        If ``size`` is not positive, or a word is unknown.
    """

    size: int = 256
    how: Literal["crop", "resample"] = "crop"
    normalisation: Normalisation = "percentile"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise SettingsError(f"size={self.size} must be 1 or more.")
        require_choice("how", self.how, HOW)
        require_choice("normalisation", self.normalisation, NORMALISATIONS)

    def prepare(self, volume: Volume) -> Volume:
        """Return the volume as a network gets it, image and labels (D, size, size); every channel by itself.

        Raises
        ------
        DataError
            If a grey value is NaN or infinite.
        """
        fitted = fit_in_plane(volume, self.size, self.how)
        image = np.empty(fitted.image.shape, np.float32)
        for index, channel in enumerate(image.reshape(-1, *fitted.shape)):
            channel[:] = normalise(fitted.channel(index), self.normalisation)
        return replace(fitted, image=image)

    def lost_organs(self, volume: Volume) -> str:
        """Say how much of the organs the crop cuts off, if it is more than 1 % of one of them; else nothing.

        Returns
        -------
        str
            A sentence for people, or an empty string.
        """
        if self.how != "crop" or volume.labels is None:
            return ""
        inside, _ = _overlap(volume.shape[1:], (self.size, self.size))
        organs = volume.label_set.organs
        whole = np.bincount(volume.labels.ravel(), minlength=len(organs) + 1)[1:]
        kept = np.bincount(volume.labels[(..., *inside)].ravel(), minlength=len(whole) + 1)[1:]
        lost = 1 - kept / np.maximum(whole, 1)
        named = [f"{organs[i]} {lost[i]:.0%}" for i in np.flatnonzero((lost > _TOLERATED) & (whole > 0))]
        if not named:
            return ""
        return (
            f"a crop of {volume.shape[1]} x {volume.shape[2]} pixels to {self.size} x {self.size} cuts off "
            f"{1 - kept.sum() / whole.sum():.0%} of the organs' voxels ({', '.join(named)}); resample instead "
            "(how='resample', or train --how resample), or take a larger size"
        )

    def restore(self, logits: Tensor, shape: tuple[int, int]) -> Tensor:
        """Bring logits of prepared slices back to the volume's own rows and columns.

        Parameters
        ----------
        logits : Tensor, (B, K, size, size)
        shape : (H, W)
            Rows and columns of the volume.

        Returns
        -------
        Tensor, (B, K, H, W)
            After a crop, padding is cut off, and what lay outside is background with certainty (logit 0, all others
            minus infinity); after resampling, logits are interpolated bilinearly.
        """
        if self.how == "resample":
            return interpolate(logits, size=shape, mode="bilinear", align_corners=False)
        whole = logits.new_full((*logits.shape[:2], *shape), float("-inf"))
        whole[:, 0] = 0.0
        here, there = _overlap(shape, logits.shape[2:])
        whole[(..., *here)] = logits[(..., *there)]
        return whole


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
    source, target = _overlap(volume.shape[1:], (size, size))

    def cut(array: np.ndarray, outside: float | np.ndarray) -> np.ndarray:
        fitted = np.empty((*array.shape[:-2], size, size), array.dtype)
        fitted[:] = outside
        fitted[(..., *target)] = array[(..., *source)]
        return fitted

    labels = None if volume.labels is None else cut(volume.labels, 0)
    lowest = volume.image.min(axis=(-3, -2, -1), keepdims=True)  # of each channel
    shift = tuple(float(s.start - t.start) for s, t in zip(source, target, strict=True))
    affine = _moved(volume.affine, (1.0, 1.0), shift)
    return replace(volume, image=cut(volume.image, lowest), labels=labels, affine=affine)


def _overlap(own: tuple[int, int], fitted: tuple[int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where what a centred crop (or padding) keeps lies: in the pixels before, and in those afterwards."""
    common = [min(pair) for pair in zip(own, fitted, strict=True)]
    starts = ([(n - m) // 2 for n, m in zip(shape, common, strict=True)] for shape in (own, fitted))
    before, after = (tuple(slice(a, a + m) for a, m in zip(start, common, strict=True)) for start in starts)
    return before, after


def _resample(volume: Volume, size: int) -> Volume:
    # pixels are areas: the outer edges of the picture stay where they are, not the centres of its corner pixels
    image = _tensor(volume.image).reshape(-1, 1, *volume.shape[1:])
    image = interpolate(image, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
    image = image.reshape(*volume.image.shape[:-2], size, size).numpy()
    labels = None
    if volume.labels is not None:
        labels = interpolate(_tensor(volume.labels)[:, None], size=(size, size), mode="nearest-exact")
        labels = labels[:, 0].numpy()
    factors = tuple(own / size for own in volume.shape[1:])
    spacing = (volume.spacing[0], *(s * f for s, f in zip(volume.spacing[1:], factors, strict=True)))
    affine = _moved(volume.affine, factors, tuple(0.5 * (f - 1) for f in factors))
    return replace(volume, image=image, labels=labels, spacing=spacing, affine=affine)


def _tensor(array: np.ndarray) -> Tensor:
    """Share the memory of an array; copy it where PyTorch cannot: it is flipped or read-only."""
    shared = array.flags.writeable and min(array.strides) >= 0
    return torch.from_numpy(array if shared else array.copy())


def _moved(affine: np.ndarray | None, factors: tuple[float, float], shift: tuple[float, float]) -> np.ndarray | None:
    """Affine for new pixels, whose index i stands for factor * i + shift in the old ones; (row, column)."""
    if affine is None:
        return None
    change = np.diag([factors[1], factors[0], 1.0, 1.0])
    change[:2, 3] = shift[1], shift[0]
    return affine @ change
