"""Checkers for the exercises of the chapter *What guidance does, step by step*."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_atlas_share", "check_strangers"]


@checker
def check_strangers(strangers: Callable[[np.ndarray], np.ndarray]) -> Feedback:
    """Check a swap between subjects, ``strangers(subject)``: for each slice the index of another subject's slice."""
    for subject in ([0, 0, 1, 1], [7, 3, 7, 3, 5], [2, 1, 1, 0, 2, 0, 2, 1], [4, 4, 4, 9, 8, 9]):
        of, call = np.array(subject), f"strangers({subject})"
        found = strangers(of.copy())
        if found.shape != of.shape:
            return Feedback(
                False, f"{call} has shape {found.shape}; one index for each of the {len(of)} slices, please."
            )
        if found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= len(of):
            return Feedback(False, f"{call} gave {found.tolist()}; expected indices from 0 to {len(of) - 1}.")
        if (own := np.flatnonzero(found == np.arange(len(of)))).size:
            return Feedback(False, f"{call}: slice {own[0]} keeps its own gate; then nothing is tested there.")
        if (same := np.flatnonzero(of[found] == of)).size:
            first = int(same[0])
            return Feedback(
                False, f"{call}: slice {first} gets that of slice {found[first]}, the same subject; it is no stranger."
            )
        if len(set(found.tolist())) < len(of):
            return Feedback(
                False,
                f"{call} gave {found.tolist()}: some gates are used twice. Make it a permutation.",
            )
    return Feedback(True, "Every slice has a stranger's gate, and every gate is used once.")


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
