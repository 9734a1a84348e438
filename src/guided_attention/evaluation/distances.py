"""Distances between the surfaces of two masks (chapter *Evaluating the network*).

Published tools disagree on small print that changes the third digit, so ours is written down:

* *Surface*: see `guided_attention.evaluation.surfaces.surface`; no tool but CHAOS's agrees at the edge of the volume.
* *Distance*: Euclidean, between voxel centres, with the spacing of the voxels.
* *Mean*: eq. 14 pools the distances of both directions. So do CHAOS, MONAI (``symmetric=True``) and MedPy from
  0.5 on; MedPy up to 0.4 averaged the means of the two directions.
* *HD95*: the larger of the two directions' 95th percentiles, interpolated linearly. So does MONAI; MedPy takes the
  percentile of both directions together, and DeepMind's surface-distance weighs voxels by the area of their surface.
* *NSD*: the share of all surface voxels, of both surfaces together, that lie within a tolerance of the other surface.
  So does MONAI (``use_subvoxels=False``); surface-distance weighs by area here, too.

All of them come from one list of distances, so a pair of masks is measured once: `surface_distances`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from guided_attention.errors import SettingsError
from guided_attention.evaluation.surfaces import check_masks, check_spacing, surface

__all__ = ["SurfaceDistances", "SurfacePair", "surface_distances", "surface_pair"]


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """The distances of eq. 15 between the surfaces of a prediction and a reference; all statistics come from these.

    Parameters
    ----------
    forward : ndarray, float64, (number of surface voxels of the prediction,)
        Distance of each surface voxel of the prediction to the nearest one of the reference.
    backward : ndarray, float64, (number of surface voxels of the reference,)
        The same from the reference to the prediction.
    without : float
        What the statistics are when there is no distance at all: NaN if both masks are empty, 0 if both fill
        the volume, and the volume's diagonal if one is empty and the other fills it.
    diagonal : float
        What stands for a distance to a mask without a surface. No tolerance reaches it.
    """

    forward: NDArray[np.float64]
    backward: NDArray[np.float64]
    without: float
    diagonal: float = math.inf

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
        return self.percentile(100)

    def percentile(self, percent: float) -> float:
        """Return the larger of the two directions' percentiles; a direction without surface voxels is left out.

        Of 95 this is HD95: unlike `maximum` it forgives the worst twentieth of either surface.
        """
        sides = (side for side in (self.forward, self.backward) if side.size)
        return max((float(np.percentile(side, percent)) for side in sides), default=self.without)

    def share_within(self, tolerance: float) -> float:
        """Return the normalised surface Dice: the share of all surface voxels at most ``tolerance`` from the other.

        A distance that equals the tolerance counts, however 3 x 0.1 is rounded; the diagonal never counts.

        Raises
        ------
        SettingsError
            If the tolerance is negative or no number.
        """
        if not tolerance >= 0:
            raise SettingsError(f"tolerance: expected 0 or more, in the unit of the spacing, found {tolerance}.")
        both = np.concatenate([self.forward, self.backward])
        if not both.size:
            return self.without if math.isnan(self.without) else float(self.without == 0)
        return float(np.mean((both <= tolerance * (1 + 1e-9)) & (both < self.diagonal)))


@dataclass(frozen=True, eq=False)
class SurfacePair:
    """Both surfaces, each found once, to be measured with as many spacings as one likes.

    Parameters
    ----------
    pred, ref : ndarray of int, (number of surface voxels, 3)
        Indices (z, y, x) of the surface voxels, counted from a corner that both share.
    shape : (D, H, W)
        Of the volume.
    same : bool or None
        Whether the masks are equal; None if both are empty.
    """

    pred: NDArray[np.intp]
    ref: NDArray[np.intp]
    shape: tuple[int, ...]
    same: bool | None

    def distances(self, spacing: ArrayLike = (1, 1, 1)) -> SurfaceDistances:
        """Measure the surfaces against each other; see `surface_distances`."""
        sides = np.array(check_spacing(spacing))
        diagonal = float(np.linalg.norm(self.shape * sides))
        return SurfaceDistances(
            forward=_directed(self.pred, self.ref, sides, diagonal),
            backward=_directed(self.ref, self.pred, sides, diagonal),
            without=math.nan if self.same is None else (0.0 if self.same else diagonal),
            diagonal=diagonal,
        )


def surface_pair(pred: ArrayLike, ref: ArrayLike) -> SurfacePair:
    """Find the surfaces of two masks.

    Only the box around both is looked at, with one voxel around it: a surface voxel is told by its six neighbours, and
    these lie in that box or beyond the edge of the volume.

    Parameters
    ----------
    pred, ref : ndarray, bool, (D, H, W)

    Raises
    ------
    DataError
        If the masks are not boolean (D, H, W) arrays of one shape.
    """
    pred, ref = check_masks(pred, ref)
    either = pred | ref
    if not either.any():
        nothing = np.empty((0, 3), np.intp)
        return SurfacePair(nothing, nothing, pred.shape, same=None)
    window = _window(either)
    pred_part, ref_part = pred[window], ref[window]
    same = bool(np.array_equal(pred_part, ref_part))
    return SurfacePair(np.argwhere(surface(pred_part)), np.argwhere(surface(ref_part)), pred.shape, same)


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
    return surface_pair(pred, ref).distances(spacing)


def _window(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Bounding box with one voxel around it, so that its border is background or the edge of the volume."""
    plane = mask.any(axis=0)
    filled = [np.flatnonzero(side) for side in (mask.any(axis=(1, 2)), plane.any(axis=1), plane.any(axis=0))]
    return tuple(slice(max(0, side[0] - 1), side[-1] + 2) for side in filled)


def _directed(
    source: NDArray[np.intp], target: NDArray[np.intp], spacing: NDArray[np.float64], diagonal: float
) -> NDArray[np.float64]:
    """Distance of each source voxel to the nearest target voxel.

    A search tree over a surface answers for the surface's voxels alone, where a distance transform fills the whole box.
    """
    if not len(target) or not len(source):
        return np.full(len(source), diagonal)
    # Unbalanced, because sorting for balance takes longer than it saves.
    tree = cKDTree(target * spacing, balanced_tree=False, compact_nodes=False)
    nearest = tree.query(source * spacing)[1]
    return np.sqrt(np.square((source - target[nearest]) * spacing).sum(axis=1))
