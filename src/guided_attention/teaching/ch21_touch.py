"""Checkers for the exercises of the chapter *Attention you can touch*."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_half_of_the_attention", "check_reach"]


@checker
def check_half_of_the_attention(half: Callable[[np.ndarray], int]) -> Feedback:
    """Check the fewest positions that hold half of a row of attention, ``half(row)``; the row is (h, w), its sum 1."""
    row = np.array([[0.05, 0.4, 0.05], [0.0, 0.15, 0.05], [0.3, 0.0, 0.0]])
    found = half(row)
    if found < 2:
        return Feedback(False, f"{found} position holds 0.4 at most; half of the attention is wanted.")
    if found == 2:
        uniform = half(np.full((4, 4), 1 / 16))
        if uniform != 8:
            return Feedback(False, f"{uniform} of 16 equal positions hold half; it takes 8.")
        return Feedback(True, "The loudest first, until half is there.")
    flat = int(np.searchsorted(np.cumsum(row), 0.5)) + 1
    if found == flat:
        return Feedback(False, f"{found} positions in reading order; take the loudest first: 0.4 and 0.3 are enough.")
    if found == int((row >= 0.5 * row.max()).sum()):
        return Feedback(False, "You counted positions that have half of the largest weight; half of the sum is wanted.")
    return Feedback(False, f"{found} positions; the two loudest hold 0.7, so it takes 2.")


@checker
def check_reach(reach: Callable[[np.ndarray, tuple[int, int]], float]) -> Feedback:
    """Check how far away attention lies on average, ``reach(row, position)``, in positions; the row is (h, w)."""
    row = np.array([[0.1, 0.0, 0.0, 0.3], [0.0, 0.2, 0.0, 0.0], [0.0, 0.0, 0.0, 0.4]])
    for position in ((1, 1), (0, 3), (2, 0)):
        found, offsets = reach(row.copy(), position), np.indices(row.shape) - np.reshape(position, (2, 1, 1))
        distance = np.hypot(*offsets)
        expected = float((row * distance).sum())
        swapped = np.hypot(*(np.indices(row.shape) - np.reshape(position[::-1], (2, 1, 1))))
        loudest = float(distance.ravel()[row.argmax()])
        known = {
            "The position is (row, column); you took it as (column, row).": float((row * swapped).sum()),
            "This is the mean distance of all positions; each counts as much as it is attended to.": float(
                distance.mean()
            ),
            "This is the mean over the positions that get any weight; weigh them.": float(distance[row > 0].mean()),
            "This is how far the loudest position is; the others have their weights, too.": loudest,
            "Distances are straight, not along rows and columns.": float((row * np.abs(offsets).sum(0)).sum()),
            "This is the mean of squares; take each root before the mean.": float((row * distance**2).sum()),
            "This is the root of the mean square; take each root before the mean.": float(
                np.sqrt((row * distance**2).sum())
            ),
        }
        otherwise = f"reach(row, {position}) gave {found:.3f}, expected {expected:.3f}."
        if why := mistake(found, expected, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "A mean of distances, each with the weight that it is attended with.")
