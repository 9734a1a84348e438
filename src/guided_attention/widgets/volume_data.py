"""A volume on its way to the browser: the body alone, labels exactly, grey values as finely as a page can carry."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
from torch import Tensor

from guided_attention.data import CHAOS_LABELS, LabelSet, Volume
from guided_attention.errors import SettingsError
from guided_attention.widgets.shared.inputs import array_of, foreground, grey_values
from guided_attention.widgets.shared.pack import pack, pack_pictures

__all__ = ["GREY_BYTES", "as_classes", "as_image", "body", "pack_grey"]

#: Most that the grey values of all phases may add to a page; above it they are sent coarser.
GREY_BYTES = 480_000

#: (pixels averaged in each direction, grey levels): the first that is small enough is sent.
_LADDER = ((1, 256), (1, 64), (1, 32), (2, 256), (2, 64), (2, 32), (3, 64), (3, 32), (4, 32), (6, 32), (8, 32))
_MARGIN = 6


def as_image(name: str, given: Volume | np.ndarray | Tensor | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the grey values (D, H, W) of a volume or array, or None; ``name`` stands in the error."""
    if given is None:
        return None
    return _fitting(name, given.channel() if isinstance(given, Volume) else array_of(name, given), shape)


def as_classes(
    prediction: Volume | np.ndarray | Tensor | None, shape: tuple[int, ...], label_set: LabelSet = CHAOS_LABELS
) -> np.ndarray | None:
    """Return predicted classes of a label set, uint8 (D, H, W), of a volume or array, or None.

    Raises
    ------
    SettingsError
        If the shape is another, these are no classes, or a volume has an organ that is not in the set.
    """
    if prediction is None:
        return None
    if isinstance(prediction, Volume):
        prediction = _by_name(prediction, label_set)
    array = prediction.labels if isinstance(prediction, Volume) else array_of("prediction", prediction)
    found = _fitting("prediction", array, shape)
    if found.dtype.kind not in "biu" or found.min() < 0 or found.max() > 255:
        raise SettingsError(f"prediction: expected classes, integers from 0 to 255, found {found.dtype}.")
    return found.astype(np.uint8)


def _by_name(prediction: Volume, label_set: LabelSet) -> Volume:
    own = prediction.label_set
    if prediction.labels is not None and own.names != label_set.names:
        unknown = {*own.organs} - {*own.common(label_set).organs}
        if unknown:
            raise SettingsError(
                f"prediction: it has {', '.join(own.organs)}, the volume {', '.join(label_set.organs)}; "
                f"{', '.join(sorted(unknown))} cannot be shown in its names. Give it as in_set of the volume's set."
            )
    return prediction.in_set(label_set)


def body(image: np.ndarray, labels: list[np.ndarray]) -> tuple[slice, slice, slice]:
    """Bounding box of the body and of all organs in the plane, with a margin; all slices."""
    grey = grey_values(image)
    inside = foreground(grey).mean(0) > 0.1
    for found in labels:
        inside = inside | (found > 0).any(0)
    sides = []
    for axis in (1, 0):
        places = np.flatnonzero(inside.any(axis))
        low, high = (places[0], places[-1] + 1) if len(places) else (0, inside.shape[1 - axis])
        sides.append(slice(max(0, int(low) - _MARGIN), min(inside.shape[1 - axis], int(high) + _MARGIN)))
    return slice(0, len(image)), *sides


def pack_grey(images: list[np.ndarray], most: int = GREY_BYTES) -> dict[str, Any]:
    """Pack phases, uint8 (D, h, w) each, as finely as fits into ``most`` bytes of a page."""
    for shrink, levels in _LADDER:
        coarse = [np.round(_shrunk(image, shrink) * ((levels - 1) / 255)).astype(np.uint8) for image in images]
        packed = [_smallest(image) for image in coarse]
        if sum(size for size, _ in packed) <= most:
            break
    return {"phases": [found for _, found in packed], "shrink": shrink, "levels": levels}


def _fitting(name: str, array: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    if array is None or array.shape != shape:
        found = "a volume without labels" if array is None else str(array.shape)
        raise SettingsError(f"{name}: expected {shape}, as the volume, found {found}.")
    return array


def _shrunk(image: np.ndarray, factor: int) -> np.ndarray:
    """Mean over squares of ``factor`` pixels; the edge is repeated where they do not fill one."""
    padding = [(0, 0), *((0, -length % factor) for length in image.shape[1:])]
    padded = np.pad(image, padding, mode="edge")
    d, h, w = padded.shape
    return padded.reshape(d, h // factor, factor, w // factor, factor).mean((2, 4))


def _smallest(values: np.ndarray) -> tuple[int, dict[str, Any]]:
    """Pack as values or as differences, whichever becomes smaller; with its size in a page."""
    ways = (pack(values, "uint8"), pack_pictures(values))
    sizes = [len(gzip.compress(way["data"], 6)) * 4 // 3 for way in ways]
    best = int(np.argmin(sizes))
    return sizes[best], ways[best]
