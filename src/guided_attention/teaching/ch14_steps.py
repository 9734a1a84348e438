"""Checkers for the exercises of the chapter *What guidance does, step by step*."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_atlas_share", "check_two_steps"]

Map = Callable[[np.ndarray], np.ndarray]


@checker
def check_two_steps(two_steps: Callable[[np.ndarray, np.ndarray, Map, Map], np.ndarray]) -> Feedback:
    """Check the data flow of a guided scale, ``two_steps(raw, fused, attend, gate)``, on arrays of one channel."""
    raw, fused = np.full((2, 2), 1.0), np.full((2, 2), 2.0)
    found = two_steps(raw, fused, lambda x: x, lambda x: x)
    if found.shape != raw.shape:
        return Feedback(False, f"shape {found.shape}, expected {raw.shape}: nothing is summed over positions.")
    value = float(found.flat[0])
    known = {
        9.0: "9 is the product of step 1. Build the input of step 2 from it, and go on.",
        81.0: "81: step 2 got the product itself, not the raw features beside the product times the fused ones.",
        324.0: "324: the raw features are missing from the input of step 2.",
        121.0: "121: the fused features and the product were added; multiply them.",
        100.0: "100: the product of step 1 has not met the fused features.",
        19.0: "19: step 2 was attended to and not gated, or the other way round; both steps have both.",
        49.0: "49: step 1 was attended to and not gated; both steps have both.",
    }
    if value in known:
        return Feedback(False, known[value])
    if not np.allclose(found, 361):
        return Feedback(False, f"{value:g}, expected 361: A1 = 3 * 3, then 1 + 9 * 2 = 19, then 19 * 19.")
    halved = float(two_steps(raw, fused, lambda x: x, lambda x: x / 2).flat[0])
    if not math.isclose(halved, 50.0):
        return Feedback(False, f"With a gate of half its input: {halved:g}, expected 50. Use `gate` in both steps.")
    return Feedback(True, "Attend, gate, let the product choose from the fused features, and again.")


@checker
def check_atlas_share(share: Callable[[np.ndarray], float]) -> Feedback:
    """Check the share of the variance that the mean gate keeps, ``share(gate)``; gates are (slices, C, h, w)."""
    gate = np.array([[[[1.0, 5.0]]], [[[3.0, 7.0]]]])
    other = np.array([[[[0.1, 0.9], [0.4, 0.2]]], [[[0.3, 0.5], [0.8, 0.2]]], [[[0.2, 0.7], [0.6, 0.5]]]])
    for case in (gate, gate[:1].repeat(2, axis=0), other):
        found, mean, whole = share(case.copy()), float(case.mean(0).var()), float(case.var())
        known = {
            f"{found:.3g} is what differs between slices; the share that stays is wanted.": 1 - mean / whole,
            f"{found:.3g} is the variance of the mean gate; divide by the variance of all gates.": mean,
            "That is the ratio of standard deviations; variances add up, these do not.": math.sqrt(mean / whole),
        }
        otherwise = (
            f"{found:.3g}, expected {mean / whole:.3g}: the mean gate has variance {mean:.3g}, of {whole:.3g} in all."
        )
        if len(set(map(str, case))) == 1:
            known, otherwise = {}, f"Where all slices have the same gate the share is 1, not {found:g}."
        if why := mistake(found, mean / whole, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "The variance of the mean gate, over the variance of all.")
