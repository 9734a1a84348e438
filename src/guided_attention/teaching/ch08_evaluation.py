"""Checkers for the exercises of the chapter *Evaluating the network*."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker

__all__ = ["check_dice", "check_msd_both", "check_shell_dice"]


@checker
def check_dice(my_dice: Callable[[np.ndarray, np.ndarray], float]) -> Feedback:
    """Check a Dice coefficient of boolean arrays, ``my_dice(pred, ref)``."""
    a = np.zeros((2, 4, 4), bool)
    b = a.copy()
    a[:, :, :2] = True  # 16 voxels
    b[:, :, 1] = True  # 8 voxels, all of them in a
    found, intersection, union = my_dice(a, b), 8, 16
    if math.isclose(found, intersection / union):
        return Feedback(False, "0.50 is intersection over union (Jaccard); Dice divides by the sum of both sizes.")
    if math.isclose(found, intersection / (16 + 8)):
        return Feedback(False, "0.33 is half of it: eq. 12 counts the common voxels twice.")
    if not math.isclose(found, 2 * intersection / (16 + 8)):
        return Feedback(False, f"{found:.3f} for 16 and 8 voxels with 8 in common; expected 2 * 8 / 24 = 0.667.")
    nothing = np.zeros_like(a)
    if my_dice(nothing, a) != 0:
        return Feedback(False, f"An organ that was missed scores {my_dice(nothing, a)}; nothing overlaps, so it is 0.")
    with np.errstate(all="ignore"):
        absent = my_dice(nothing, nothing)
    if not math.isnan(absent):
        return Feedback(False, f"Absent from both gave {absent}: neither a success nor a failure, but NaN.")
    return Feedback(True, "Overlap, edge cases and all.")


@checker
def check_shell_dice(shell_dice: Callable[[float, float], float]) -> Feedback:
    """Check the Dice coefficient of a ball with a missing shell, ``shell_dice(r, t)``."""
    for r, t in ((25.0, 1.0), (8.0, 1.0), (10.0, 2.5)):
        found, expected = shell_dice(r, t), 2 * (r - t) ** 3 / (r**3 + (r - t) ** 3)
        if math.isclose(found, expected, rel_tol=1e-9):
            continue
        if math.isclose(found, 2 * (r - t) ** 2 / (r**2 + (r - t) ** 2), rel_tol=1e-9):
            return Feedback(False, "These are discs, not balls: volume goes with the third power of the radius.")
        if math.isclose(found, (r - t) ** 3 / r**3, rel_tol=1e-9):
            return Feedback(
                False, "This is the part that was found (sensitivity); Dice divides by the mean of both sizes."
            )
        return Feedback(False, f"shell_dice({r:g}, {t:g}) gave {found:.3f}, expected {expected:.3f}.")
    return Feedback(True, "The shell is the same; the ball around it is not.")


@checker
def check_msd_both(msd_both: Callable[[int], tuple[float, float]]) -> Feedback:
    """Check the surface distance of a shift by slices in voxels and mm, ``msd_both(dz)``."""
    for dz in (1, 3):
        voxels, mm = msd_both(dz)
        if math.isclose(mm, 1.25 * dz):
            return Feedback(False, "1.25 mm is the size of a pixel; this shift goes from slice to slice, 7.7 mm each.")
        if math.isclose(voxels, 7.7 * dz):
            return Feedback(False, "The first number is in voxels: a slice counts one, however thick.")
        if not (math.isclose(voxels, dz) and math.isclose(mm, 7.7 * dz)):
            return Feedback(False, f"msd_both({dz}) gave ({voxels:g}, {mm:g}), expected ({dz}, {7.7 * dz:g}).")
    return Feedback(True, "One slice is 7.7 mm; one voxel is whatever the scanner says.")
