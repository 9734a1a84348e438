"""What one file, or one series of slices, holds: numbers, and where they are (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from guided_attention.data.read.orientation import to_radiological
from guided_attention.errors import DataError

__all__ = ["Stored", "require_axes"]


@dataclass(frozen=True, eq=False)
class Stored:
    """An array with its affine, in the order of the file.

    Parameters
    ----------
    array : ndarray, (D, H, W) or (C, D, H, W)
        Real numbers as the file means them (scale factors applied).
    affine : ndarray, float64, (4, 4)
        Maps indices (w, h, d, 1) to millimetres in NIfTI's RAS+ world.
    kind : str
        Format: files of one format are written by one program, so an image and its label have one order of voxels.
    header : object
        What a prediction needs to be written in the same geometry; a type of the format's own.
    """

    array: np.ndarray
    affine: np.ndarray
    kind: str
    header: Any = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of columns, rows, slices, as in headers."""
        return self.array.shape[:-4:-1]

    def turned(self) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Return its channels, (D, H, W) each, to superior, posterior, left, and their affine."""
        return to_radiological(list(self.array.reshape(-1, *self.array.shape[-3:])), self.affine)


def require_axes(array: np.ndarray, channels: int) -> np.ndarray:
    """Return an array (..., D, H, W) without idle leading axes, if it has the channels that are asked for.

    Parameters
    ----------
    array : ndarray
        Axes in the order of memory, the last one along a row.
    channels : int
        Channels that the file may hold, as its data set or the network says; 1 allows no fourth axis.

    Raises
    ------
    DataError
        If there are other axes, or no real numbers.
    """
    found = f"found {array.dtype} of shape {array.shape[::-1]}"
    while array.ndim > 3 and 1 in array.shape[:-3]:
        array = array.squeeze(array.shape.index(1))
    if array.dtype.kind in "iuf" and (array.ndim == 3 or (array.ndim == 4 and len(array) == channels)):
        return array
    if array.ndim == 4 and array.dtype.kind in "iuf":
        said = "say so in dataset.json, channel_names" if channels == 1 else f"expected are {channels}"
        found = f"{found}; if the fourth are channels, {said}"
    raise DataError(f"expected real numbers on 3 axes, {found}")
