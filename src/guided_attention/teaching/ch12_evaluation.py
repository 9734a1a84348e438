"""Checkers for the exercises of the chapter *Evaluating the network*."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_msd_both", "check_shell_dice", "check_slice_dice"]


@checker
def check_slice_dice(slice_dice: Callable[[np.ndarray, np.ndarray], float]) -> Feedback:
    """Check a Dice coefficient averaged over slices, ``slice_dice(pred, ref)`` for boolean arrays (D, H, W)."""
    pred, ref = np.zeros((2, 7, 4, 8), bool)
    ref[1:4, :, :4] = True  # 16 pixels each
    ref[[0, 4], 0, :2] = True  # the ends, which nobody found
    pred[1:3, :, :4] = True
    pred[3, :, 3:7] = True  # a quarter of it
    pred[5, :2] = True  # a slice too many; slice 6 has nothing
    found, total = slice_dice(pred.copy(), ref.copy()), 1.0 + 1.0 + 0.25
    volume = 2 * float((pred & ref).sum()) / float(pred.sum() + ref.sum())
    known = {
        f"{found:.3f} is the Dice coefficient of the volume; take one for each slice, and their mean.": volume,
        f"{found:.3f} counts a slice without organ and without prediction as 0; nobody can fail there.": total / 7,
        f"{found:.3f} counts a slice without organ and without prediction as 1: praise for nothing.": (total + 1) / 7,
        f"{found:.3f} leaves out the slice that has only a prediction: an error that costs nothing.": total / 5,
        f"{found:.3f} leaves out the slices without a prediction: missing would cost nothing.": total / 4,
        f"{found:.3f} is the mean over slices that have both; what was missed or invented whole is gone.": total / 3,
    }
    otherwise = f"{found:.3f} for slices of DSC 0, 1, 1, 0.25, 0, 0 and an empty one; expected {total / 6:.3f}."
    if why := mistake(found, total / 6, known, otherwise):
        return Feedback(False, why)
    with np.errstate(all="ignore"):
        absent = slice_dice(np.zeros_like(ref), np.zeros_like(ref))
    if not math.isnan(absent):
        return Feedback(False, f"Absent from both gave {absent}: neither a success nor a failure, but NaN.")
    return Feedback(True, "Now you know what a mean over slices rewards, and what it punishes.")


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
