"""Checkers for the exercises of the chapter *Evaluating the network*."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_dice", "check_msd_both", "check_shell_dice"]


@checker
def check_dice(my_dice: Callable[[np.ndarray, np.ndarray], float]) -> Feedback:
    """Check a Dice coefficient of boolean arrays, ``my_dice(pred, ref)``."""
    a, b, c = np.zeros((3, 2, 4, 4), bool)
    a[:, :, :2] = True  # 16 voxels
    b[:, :, 1] = True  # 8 voxels, all of them in a
    c[0] = True  # 16 voxels, 8 of them in a and 4 in b
    for pred, ref, common in ((a, b, 8), (b, c, 4), (a, a, 16)):
        found, both = my_dice(pred.copy(), ref.copy()), int(pred.sum() + ref.sum())
        known = {
            f"{found:.2f} is intersection over union (Jaccard); Dice divides by the sum of both sizes.": common
            / (both - common),
            f"{found:.2f} is half of it: eq. 12 counts the common voxels twice.": common / both,
        }
        otherwise = (
            f"{found:.3f} for {pred.sum()} and {ref.sum()} voxels with {common} in common; expected 2 * {common} / "
            f"{both} = {2 * common / both:.3f}."
        )
        if why := mistake(found, 2 * common / both, known, otherwise):
            return Feedback(False, why)
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
        known = {
            "These are discs, not balls: volume goes with the third power of the radius.": 2
            * (r - t) ** 2
            / (r**2 + (r - t) ** 2),
            "This is the part that was found (sensitivity); Dice divides by the mean of both sizes.": (r - t) ** 3
            / r**3,
        }
        if why := mistake(
            found, expected, known, f"shell_dice({r:g}, {t:g}) gave {found:.3f}, expected {expected:.3f}."
        ):
            return Feedback(False, why)
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
