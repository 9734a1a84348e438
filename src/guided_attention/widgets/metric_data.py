"""Masks with known mistakes: shifted, too fat, too thin, cut off, with a speck (chapter *Evaluating the network*).

`js/masks.js` makes the same masks in the browser, pixel by pixel: keep the two in step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["cut_off", "elsewhere", "far_away", "grown", "moved", "speck"]

Mask = NDArray[np.bool_]

#: Half the side of the square whose pixels a speck may take.
_REACH = 8


def grown(mask: Mask, radius: int) -> Mask:
    """Dilate by a disc, or erode if the radius is negative.

    Parameters
    ----------
    mask : ndarray, bool, (H, W)
    radius : int
        In pixels. Pixels at most so far from the mask (or from its outside) change sides. The edge of the slice is not
        outside.
    """
    if radius == 0 or mask.all() or not mask.any():
        return mask.copy()
    if radius > 0:
        return ndimage.distance_transform_edt(~mask) <= radius
    return ndimage.distance_transform_edt(mask) > -radius


def cut_off(mask: Mask, percent: int) -> Mask:
    """Remove so many per cent of a mask's pixels (rounded down), from the bottom of the picture up."""
    places = np.flatnonzero(mask)
    kept = np.zeros(mask.size, bool)
    kept[places[: len(places) - len(places) * percent // 100]] = True
    return kept.reshape(mask.shape)


def moved(mask: Mask, rows: int, cols: int) -> Mask:
    """Shift a mask down and to the right; what leaves the slice is lost."""
    places = np.argwhere(mask) + np.array((rows, cols))
    places = places[((places >= 0) & (places < mask.shape)).all(1)]
    out = np.zeros_like(mask)
    out[tuple(places.T)] = True
    return out


def speck(shape: tuple[int, int], at: tuple[int, int], pixels: int) -> Mask:
    """Return a round island: the pixels nearest to a place (row, col), those outside the slice left out."""
    rows, cols = (side.ravel() for side in np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1])
    order = np.lexsort((cols, rows, rows**2 + cols**2))[:pixels]
    out = np.zeros(shape, bool)
    for row, col in zip(rows[order] + at[0], cols[order] + at[1], strict=True):
        if 0 <= row < shape[0] and 0 <= col < shape[1]:
            out[row, col] = True
    return out


def elsewhere(mask: Mask) -> tuple[int, int] | None:
    """Return the shortest shift, along an axis or a diagonal, after which a whole mask lies beside itself.

    Returns
    -------
    (rows, cols) or None
        None if the mask is empty, or the slice has no room for it.
    """
    places, best = np.argwhere(mask), None
    for row, col in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        for step in range(1, max(mask.shape)):
            there = places + step * np.array((row, col))
            if not len(there) or not ((there >= 0) & (there < mask.shape)).all():
                break
            if not mask[tuple(there.T)].any():
                found = (step * row, step * col)
                if best is None or np.hypot(*found) < np.hypot(*best):
                    best = found
                break
    return best


def far_away(mask: Mask, grey: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the place (row, col) inside the body, of grey values (H, W), that is farthest from a mask."""
    inside = ndimage.uniform_filter(grey.astype(np.float64), 9, mode="constant") > 25
    inside = ndimage.binary_erosion(inside, iterations=6)
    inside = inside if inside.any() else np.ones_like(inside)
    far = ndimage.distance_transform_edt(~mask) if mask.any() else np.ones(mask.shape)
    row, col = np.unravel_index(np.where(inside, far, -1).argmax(), mask.shape)
    return int(row), int(col)
