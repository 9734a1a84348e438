"""Checkers for the exercises of the chapter *From scanner to tensor*."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker

__all__ = ["check_millilitres", "check_out_of_phase", "check_paired"]


@checker
def check_out_of_phase(out_of_phase_te: Callable[[float], float]) -> Feedback:
    """Check the first echo time at which fat and water are opposed, ``out_of_phase_te(tesla)`` in ms."""
    for tesla in (1.5, 3.0, 0.5):
        found, expected = out_of_phase_te(tesla), 0.5e3 / (3.4 * 42.58 * tesla)
        if math.isclose(found, expected, rel_tol=0.01):
            continue
        if tesla != 1.5 and math.isclose(found, 0.5e3 / (3.4 * 42.58 * 1.5), rel_tol=0.01):
            return Feedback(False, "This is the answer for 1.5 T at every field; the shift in Hz grows with the field.")
        if math.isclose(found, 2 * expected, rel_tol=0.01):
            return Feedback(
                False, f"At {found:.2f} ms fat has lagged a whole turn: in phase again. Half a turn is asked for."
            )
        if math.isclose(found, expected / 1000, rel_tol=0.01):
            return Feedback(False, f"{found:.2g} is right in seconds; the answer is wanted in ms.")
        return Feedback(False, f"{found:.3g} ms at {tesla:g} T, expected {expected:.2f} ms: half a turn at 3.4 ppm.")
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
    found, expected = millilitres(labels, 3, (8.0, 1.5, 2.0)), 40 * 8.0 * 1.5 * 2.0 / 1000
    if math.isclose(found, expected):
        return Feedback(True, "Voxels times their size, and a thousand mm³ to the millilitre.")
    if math.isclose(found, expected * 1000):
        return Feedback(False, f"{found:g} is in cubic millimetres; a millilitre has 1000 of them.")
    if math.isclose(found, 40.0):
        return Feedback(False, "40 is the number of voxels; each has 8 x 1.5 x 2 mm.")
    if math.isclose(found, 45 * 24 / 1000):
        return Feedback(False, "You counted every organ; only voxels of the given class are asked for.")
    return Feedback(False, f"{found:g} ml for 40 voxels of 8 x 1.5 x 2 mm, expected {expected:g} ml.")
