"""Checkers for the exercises of the chapter *Ablation*."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from guided_attention.report.statistics import signed_rank
from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_floor", "check_right_p", "check_subjects_needed"]

#: Seeds of subjects whose p is another one than that of any seed, of all numbers, of the median and of the extremes.
_DIFFERENCES = (
    ((-1.1, -2.2, 2.0, 2.4, 2.1, 0.4), (0.7, 0.5, 2.2, 1.7, 0.9, 1.5)),
    ((1.6, 1.7, 0.7, 0.5, 0.6), (-1.2, 1.0, 1.1, -0.2, 1.7), (-0.8, 0.1, 0.2, 3.2, -1.1)),
)


@checker
def check_floor(subjects_for: Callable[[float, int], int]) -> Feedback:
    """Check the smallest number of subjects that can be significant, ``subjects_for(alpha, tests)``."""
    for alpha, tests in ((0.05, 1), (0.05, 5), (0.05, 10), (0.05, 13), (0.01, 3), (0.0625, 1)):
        found, expected = subjects_for(alpha, tests), _subjects(2 * tests, alpha)
        if found == expected:
            continue
        call = f"subjects_for({alpha}, {tests}) gave {found}, expected {expected}"
        if tests > 1 and found == _subjects(2, 1 - (1 - alpha) ** (1 / tests)):
            return Feedback(False, f"{call}: this is Šidák's correction; Holm multiplies the smallest p by {tests}.")
        if found == _subjects(tests, alpha):
            return Feedback(False, f"{call}: two sign patterns are most extreme, all plus and all minus (two-sided).")
        if tests > 1 and found == _subjects(2, alpha):
            return Feedback(False, f"{call}: the smallest p is multiplied by the number of tests.")
        if 2 * tests / 2 ** (found - 1) == alpha:
            return Feedback(False, f"{call}: equal to alpha is small enough, p may be at most alpha.")
        return Feedback(False, f"{call}: the smallest p of M subjects is 2 / 2**M.")
    return Feedback(True, "Known before the first epoch.")


def _subjects(patterns: float, alpha: float) -> int:
    """Smallest M with patterns / 2**M <= alpha."""
    m = 1
    while patterns / 2**m > alpha:
        m += 1
    return m


@checker
def check_subjects_needed(subjects_needed: Callable[[float, float, float, float], int]) -> Feedback:
    """Check the planning rule, ``subjects_needed(gain, std_a, std_b, r)``."""
    for gain, a, b, r in ((1.0, 6.0, 4.0, 0.5), (0.58, 5.78, 5.05, 0.9), (0.58, 5.78, 5.05, 0.0)):
        found, variance = subjects_needed(gain, a, b, r), a**2 + b**2 - 2 * r * a * b
        exact = _plan(gain, variance)
        call = f"subjects_needed({gain}, {a}, {b}, {r}) gave {found:g}, expected {math.ceil(exact)}"
        if found == math.ceil(exact):
            continue
        if math.isclose(found, exact, rel_tol=1e-3) or found == math.floor(exact):
            return Feedback(False, f"{call}: whole subjects, and enough of them: round up.")
        wrong = {
            a**2 + b**2: "the networks share their subjects; -2 r sigma_a sigma_b comes off the variance.",
            a**2 + b**2 + 2 * r * a * b: "the correlation makes sigma_d smaller, so its term is subtracted.",
            a**2 + b**2 - r * a * b: "the term of the correlation counts twice.",
            (a - b) ** 2: "sigma_d is not the difference of the standard deviations, unless r = 1.",
            math.sqrt(max(variance, 0.0)): "the rule squares sigma_d.",
        }
        for other, reason in wrong.items():
            if found == math.ceil(_plan(gain, other)):
                return Feedback(False, f"{call}: {reason}")
        if found == math.ceil(1.96**2 * variance / gain**2):
            return Feedback(False, f"{call}: with 1.96 alone every second attempt fails; 0.84 more gives 80 %.")
        if found == math.ceil(math.sqrt(exact)):
            return Feedback(False, f"{call}: the whole bracket is squared.")
        return Feedback(False, f"{call}.")
    return Feedback(True, "Now you can plan the experiment instead of regretting it.")


def _plan(gain: float, variance: float) -> float:
    return (1.96 + 0.84) ** 2 * variance / gain**2


@checker
def check_right_p(right_p: Callable[[np.ndarray], float]) -> Feedback:
    """Check a test with the subject as its unit, ``right_p(d)`` with ``d`` of shape (seeds, subjects)."""
    for rows in _DIFFERENCES:
        d = np.array(rows)
        found, expected, (seeds, subjects) = right_p(d.copy()), signed_rank(d.mean(0)), d.shape
        known = {
            f"p = {found:.4f} takes {d.size} numbers for {d.size} subjects; there are {subjects}. Average over the "
            "seeds first.": signed_rank(d.ravel()),
            f"p = {found:.4f}: you averaged over subjects; the rows of d are seeds. Use axis 0.": signed_rank(
                d.mean(1)
            ),
            **{
                f"p = {found:.4f} uses seed {row} and throws the others away.": signed_rank(d[row])
                for row in range(seeds)
            },
            f"p = {found:.4f} is the mean of the p of all seeds; average the differences, then test once.": float(
                np.mean([signed_rank(row) for row in d])
            ),
            f"p = {found:.4f} is one-sided; nobody promised the direction.": expected / 2,
        }
        otherwise = f"p = {found:.4f} for a d of shape {d.shape}, expected {expected:.4f}."
        if why := mistake(found, expected, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "Three seeds make five subjects more certain; they do not make them fifteen.")
