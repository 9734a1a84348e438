"""Checkers for the exercises of the chapter *Looking at the masks*."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_edge_share", "check_island_cost", "check_keep_largest"]


@checker
def check_edge_share(edge_share: Callable[[float, float], float]) -> Feedback:
    """Check the share of a disc's area that lies within ``w`` of its outline, ``edge_share(r, w)``."""
    for r, w in ((30.0, 2.0), (8.0, 2.0), (1.5, 2.0)):
        found, inner = edge_share(r, w), max(r - w, 0.0) / r
        known = {
            "This is a ball; a slice shows a disc, whose area goes with the square.": 1 - inner**3,
            "This is the share inside; the edge is what is left of 1.": inner**2,
        }
        otherwise = f"edge_share({r:g}, {w:g}) gave {found:.3f}, expected {1 - inner**2:.3f}."
        if r < w:
            known, otherwise = {}, f"A disc of radius {r:g} is all edge when w = {w:g}; you say {found:.3f}, not 1."
        if why := mistake(found, 1 - inner**2, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "The smaller the organ, the more of it is edge, and so are its errors.")


@checker
def check_island_cost(island_cost: Callable[[int, int, int, float], tuple[float, float]]) -> Feedback:
    """Check what an island adds to a perfect mask, ``island_cost(volume, surface, m, d)`` = (DSC, MSD)."""
    for volume, surface, m, d in ((8000, 2000, 50, 120.0), (2000, 700, 10, 80.0)):
        dsc, msd = island_cost(volume, surface, m, d)
        right_dsc, right_msd = 2 * volume / (2 * volume + m), m * d / (2 * surface + m)
        if math.isclose(dsc, volume / (volume + m)):
            return Feedback(False, "This is intersection over union; Dice counts the common voxels twice.")
        if math.isclose(msd, m * d / (surface + m)):
            return Feedback(False, "Eq. 14 pools both directions: the reference's surface votes too, with distance 0.")
        if math.isclose(msd, d):
            return Feedback(False, "That is the maximum distance; the mean has all the right surface voxels in it.")
        if not (math.isclose(dsc, right_dsc) and math.isclose(msd, right_msd)):
            return Feedback(
                False,
                f"island_cost({volume}, {surface}, {m}, {d:g}) gave ({dsc:.4f}, {msd:.2f}), "
                f"expected ({right_dsc:.4f}, {right_msd:.2f}).",
            )
    return Feedback(True, "Dice counts the island's voxels; the distance weighs them by how far they lie.")


@checker
def check_keep_largest(keep_largest: Callable[[np.ndarray], np.ndarray]) -> Feedback:
    """Check a function that keeps the largest connected component of a boolean (D, H, W) mask."""
    organ = np.zeros((4, 12, 12), bool)
    organ[1:3, 2:5, 2:9] = True
    organ[3, 2:5, 2:4] = organ[3, 2:5, 7:9] = True  # in its last slice the organ shows two pieces
    mask = organ.copy()
    mask[1, 9:11, 9:11] = True
    for turn in (1, -1):  # the island comes last, and first
        if why := _kept(keep_largest, mask[:, ::turn], organ[:, ::turn]):
            return Feedback(False, why)
    with np.errstate(all="ignore"):
        if keep_largest(np.zeros_like(mask)).any():
            return Feedback(False, "From an empty mask you kept something; there is no part to keep.")
    return Feedback(True, "One piece, whole.")


def _kept(keep_largest: Callable[[np.ndarray], np.ndarray], mask: np.ndarray, organ: np.ndarray) -> str:
    """What is wrong with what was kept of ``mask``, if anything."""
    given = mask.copy()
    kept = keep_largest(given)
    if not np.array_equal(mask, given):
        return "Your function changes the mask that it was given; make a new one."
    if kept.shape != mask.shape:
        return f"The result has shape {kept.shape}, the mask {mask.shape}."
    kept = kept.astype(bool)
    if (kept & ~mask).any():
        return "What you kept is not in the mask: part 0 of `ndimage.label` is the background."
    if np.array_equal(kept, mask):
        return "The island of 4 voxels is still there."
    if np.array_equal(kept, mask & ~organ):
        return "You kept the island. The parts are numbered as they come; bincount says which one is the largest."
    if kept[:3].sum() == organ[:3].sum() and kept[3].sum() < organ[3].sum():
        return "One piece of the last slice is gone, but it hangs together with the rest: label in 3-D."
    return "" if np.array_equal(kept, organ) else f"You kept {kept.sum()} voxels; the largest part has {organ.sum()}."
