"""From whatever order a file stores its voxels in to this package's: superior, posterior, left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["default_affine", "from_radiological", "oddly_sliced", "spacing_of", "to_radiological"]

#: How many times coarser than both others the spacing of a stack's own axis is, at least.
_COARSE = 1.5


def to_radiological(arrays: Sequence[np.ndarray], affine: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Flip and transpose arrays so that they run to superior, posterior, left.

    Voxels are only moved, never interpolated: an oblique stack is turned to the nearest axes.

    Parameters
    ----------
    arrays : sequence of ndarray, (D, H, W)
        All in the same order.
    affine : ndarray, float64, (4, 4)
        Maps their indices (w, h, d, 1) to millimetres in NIfTI's RAS+ world.

    Returns
    -------
    arrays : tuple of ndarray, (D, H, W)
        Contiguous; axis 0 runs from the feet to the head, axis 1 from front to back, axis 2 from the patient's right
        to the left.
    affine : ndarray, float64, (4, 4)
        The same world, for the new indices.
    """
    from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

    change = ornt_transform(io_orientation(affine), axcodes2ornt(("L", "P", "S")))
    moved = tuple(np.ascontiguousarray(apply_orientation(array.T, change).T) for array in arrays)
    return moved, affine @ inv_ornt_aff(change, arrays[0].shape[::-1])


def from_radiological(array: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Undo `to_radiological`: bring an array back to the order of the file from which it was turned.

    Parameters
    ----------
    array : ndarray, (D, H, W)
        Superior, posterior, left.
    affine : ndarray, float64, (4, 4)
        The file's own, as `to_radiological` was given it.

    Returns
    -------
    ndarray
        In the file's order, axes reversed as there.
    """
    from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

    change = ornt_transform(axcodes2ornt(("L", "P", "S")), io_orientation(affine))
    return np.ascontiguousarray(apply_orientation(array.T, change).T)


def spacing_of(affine: np.ndarray) -> tuple[float, float, float]:
    """Return the distance between voxel centres (dz, dy, dx) in mm: the lengths of the affine's columns, reversed."""
    dx, dy, dz = np.sqrt((np.asarray(affine, float)[:3, :3] ** 2).sum(axis=0))
    return float(dz), float(dy), float(dx)


def default_affine(spacing: tuple[float, float, float]) -> np.ndarray:
    """Return the (4, 4) affine of an array to superior, posterior, left whose first voxel is the origin."""
    dz, dy, dx = spacing
    return np.diag([-dx, -dy, dz, 1.0])


def oddly_sliced(spacing: tuple[float, float, float]) -> str:
    """Return a warning if the spacing (dz, dy, dx) is that of a coronal or sagittal stack, else an empty text.

    Networks see axial slices: of such a stack these have coarse rows or columns, unlike those that they are made for.
    """
    dz, dy, dx = spacing
    plane, step = ("coronal", dy) if dy >= dx else ("sagittal", dx)
    if step <= _COARSE * max(dz, min(dy, dx)):
        return ""
    return (
        f"expected slices stacked from foot to head, found a {plane} stack, {step:.3g} mm apart: its axial slices, "
        f"which networks see, have pixels of {dy:.3g} x {dx:.3g} mm"
    )
