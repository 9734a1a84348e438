"""Checkers for the exercises of the chapter *Attention you can touch*."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_half_of_the_attention", "check_times_chance"]


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
def check_times_chance(times: Callable[[np.ndarray, np.ndarray], float]) -> Feedback:
    """Check how much more attention a mask gets than its size explains, ``times(row, mask)``; 1 means no more."""
    row = np.array([[0.1, 0.4], [0.3, 0.2]])
    for mask in (np.array([[False, True], [False, True]]), np.array([[True, False], [False, False]])):
        found, share, part = times(row.copy(), mask.copy()), float(row[mask].sum()), float(mask.mean())
        known = {
            f"{found:.3g} is the mask's share of the attention; its share of the picture is {part:g}. Divide.": share,
            f"{found:.3g} is the mean weight inside; compare it with the mean weight of the whole picture.": float(
                row[mask].mean()
            ),
            "Upside down: above 1 should mean more attention than the size explains.": part / share,
        }
        otherwise = f"{found:g}, expected {share / part:g}: {share:.0%} of the attention on {part:.0%} of the picture."
        if why := mistake(found, share / part, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "Its share of the attention over its share of the picture.")
