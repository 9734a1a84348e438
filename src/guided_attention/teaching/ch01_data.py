"""Checkers for the exercises of the chapter *From scanner to tensor*."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_millilitres", "check_out_of_phase", "check_paired"]


@checker
def check_out_of_phase(out_of_phase_te: Callable[[float], float]) -> Feedback:
    """Check the first echo time at which fat and water are opposed, ``out_of_phase_te(tesla)`` in ms."""
    for tesla in (1.5, 3.0, 0.5):
        found, expected = out_of_phase_te(tesla), 0.5e3 / (3.4 * 42.58 * tesla)
        known = {
            "This is the answer for 1.5 T at every field; the shift in Hz grows with the field.": expected
            * tesla
            / 1.5,
            f"At {found:.2f} ms fat has lagged a whole turn: in phase again. Half a turn is asked for.": 2 * expected,
            f"{found:.2g} is right in seconds; the answer is wanted in ms.": expected / 1000,
        }
        otherwise = f"{found:.3g} ms at {tesla:g} T, expected {expected:.2f} ms: half a turn at 3.4 ppm."
        if why := mistake(found, expected, known, otherwise, rel_tol=0.01):
            return Feedback(False, why)
    return Feedback(True, "Half a turn, at any field.")


@checker
def check_paired(paired: Callable[[Mapping[str, float], set[str]], Sequence[str]]) -> Feedback:
    """Check the pairing of images and labels, ``paired(images, labels)``."""
    heights = {"IMG-02": 8.0, "IMG-04": -16.0, "IMG-06": 0.0}
    found = list(paired(heights, set(heights)))
    if found == sorted(heights):
        return Feedback(False, "These are in the order of their names; the heights say that IMG-04 lies lowest.")
    if found == ["IMG-02", "IMG-06", "IMG-04"]:
        return Feedback(False, "From head to feet; from feet to head is asked for: the lowest height first.")
    if found != ["IMG-04", "IMG-06", "IMG-02"]:
        return Feedback(False, f"Expected ['IMG-04', 'IMG-06', 'IMG-02'], got {found}.")
    for images, labels, alone in (({"a": 0.0, "b": 1.0}, {"a"}, "b"), ({"a": 0.0}, {"a", "c"}, "c")):
        try:
            paired(images, labels)
        except ValueError as error:
            if alone not in str(error):
                return Feedback(False, f"A ValueError, but it does not name {alone!r}: nobody could find the file.")
        else:
            what = "an image without a label" if alone in images else "a label without an image"
            return Feedback(False, f"{what} went through in silence; raise a ValueError that names it.")
    return Feedback(True, "Paired by name, sorted by place, and loud about the rest.")


@checker
def check_millilitres(millilitres: Callable[[np.ndarray, int, tuple[float, float, float]], float]) -> Feedback:
    """Check the volume of a class, ``millilitres(labels, value, spacing)``."""
    labels = np.zeros((4, 10, 10), np.uint8)
    labels[1:3, 2:7, 2:6] = 3  # 40 voxels
    labels[0, 0, :5] = 1
    for value, voxels, (z, y, x) in ((3, 40, (8.0, 1.5, 2.0)), (1, 5, (3.0, 0.7, 0.7)), (2, 0, (8.0, 1.5, 2.0))):
        found, expected = millilitres(labels, value, (z, y, x)), voxels * z * y * x / 1000
        known = {
            f"{found:g} is in cubic millimetres; a millilitre has 1000 of them.": expected * 1000,
            f"{voxels} is the number of voxels; each has {z:g} x {y:g} x {x:g} mm.": voxels,
            "You counted every organ; only voxels of the given class are asked for.": 45 * z * y * x / 1000,
        }
        otherwise = f"{found:g} ml for {voxels} voxels of {z:g} x {y:g} x {x:g} mm, expected {expected:g} ml."
        if why := mistake(found, expected, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "Voxels times their size, and a thousand mm³ to the millilitre.")
