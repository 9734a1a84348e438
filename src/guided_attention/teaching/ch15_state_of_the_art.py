"""Checkers for the exercises of the chapter *State of the art*."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import numpy as np

from guided_attention.evaluation.calibration import expected_calibration_error, reliability
from guided_attention.teaching.feedback import Feedback, checker

__all__ = ["check_ece", "check_overshoot", "check_pareto"]

Named = Mapping[str, float]


@checker
def check_pareto(pareto: Callable[[Named, Named], Collection[str]]) -> Feedback:
    """Check a Pareto front, ``pareto(cost, score)``."""
    cost = {"a": 1.0, "b": 2.0, "c": 2.0, "d": 3.0, "e": 4.0}
    score = {"a": 80.0, "b": 85.0, "c": 83.0, "d": 85.0, "e": 86.0}
    found = set(pareto(cost, score))
    if found == {"a", "b", "e"}:
        if set(pareto({"x": 1.0, "y": 1.0}, {"x": 5.0, "y": 5.0})) != {"x", "y"}:
            return Feedback(False, "Two equal networks: neither is strictly better, so both are on the front.")
        return Feedback(True, "What is left is a choice, and it is yours.")
    if found == {"e"}:
        return Feedback(False, "Only the best score is left; a cheaper network with less of it is a choice as well.")
    if found == {"c", "d"}:
        return Feedback(False, "These are the ones that are dominated by somebody; return the others.")
    if "d" in found and "c" not in found:
        return Feedback(
            False, "d costs 3 for 85, b gives 85 for 2: no more is enough when the other is strictly better."
        )
    if "c" in found and "d" not in found:
        return Feedback(False, "c scores 83 for 2, b scores 85 for 2: the same cost does not save it.")
    if found == set(cost):
        return Feedback(False, "Nobody is dominated? b costs no more than c and scores more.")
    if not found:
        return Feedback(False, "The front is empty: does each network dominate itself?")
    return Feedback(False, f"Found {sorted(found)}, expected ['a', 'b', 'e'].")


@checker
def check_ece(my_ece: Callable[[np.ndarray, np.ndarray, int], float]) -> Feedback:
    """Check an expected calibration error, ``my_ece(confidence, correct, bins)``."""
    sure, right = np.array([0.9] * 4 + [0.6] * 4), np.array([1, 1, 0, 0, 1, 1, 1, 0], bool)
    with np.errstate(all="ignore"):
        parts = [my_ece(sure[i], right[i], 10) for i in (slice(4), slice(4, 8))]
        found = my_ece(sure, right, 10)
    if any(math.isnan(value) for value in (*parts, found)):
        return Feedback(False, "NaN: an empty bin has no mean. Leave it out.")
    if math.isclose(parts[1], -0.15) or math.isclose(found, 0.125):
        return Feedback(False, "Bins that are too shy must not make up for bins that are too sure: take absolute gaps.")
    if math.isclose(found, 0.55):
        return Feedback(False, "0.55 adds the bins up; each weighs as much as its share of the voxels.")
    if math.isclose(found, 0.055):
        return Feedback(False, "0.055 divides by the number of bins; the weight of a bin is its share of the voxels.")
    if not (math.isclose(found, 0.275) and math.isclose(parts[0], 0.4)):
        return Feedback(False, f"{found:.3f} for 0.9 with 2 of 4 right and 0.6 with 3 of 4 right, expected 0.275.")
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.2, 1, 999)
    right = rng.random(999) < sure**1.5
    expected = expected_calibration_error(reliability(sure, right))
    found = my_ece(sure, right, 15)
    index = np.ceil(sure * 15)
    same = [np.abs(right[index == b].mean() - sure[index == b].mean()) for b in np.unique(index)]
    if math.isclose(found, expected):
        return Feedback(True, "Weighted, absolute, and honest about empty bins.")
    if math.isclose(found, float(np.mean(same))):
        return Feedback(False, f"{found:.4f} counts every bin the same; a bin weighs as much as its share of voxels.")
    return Feedback(False, f"{found:.4f} for 999 voxels in 15 bins, expected {expected:.4f}.")


@checker
def check_overshoot(overshoot: Callable[[int, float, int], float]) -> Feedback:
    """Check the winner's curse, ``overshoot(k, sigma, M)``; simulations may be off by 3 %."""
    for k, sigma, m in ((11, 4.0, 5), (11, 4.0, 15), (2, 1.0, 1), (7, 3.0, 10)):
        found, c = overshoot(k, sigma, m), _largest(k)
        expected = c * sigma / math.sqrt(m)
        if math.isclose(found, expected, rel_tol=0.03):
            continue
        call = f"overshoot({k}, {sigma:g}, {m}) gave {found:.2f}, expected about {expected:.2f}"
        if math.isclose(found, c * sigma, rel_tol=0.03):
            return Feedback(False, f"{call}: sigma belongs to one subject; a mean over M has sigma / sqrt(M).")
        if math.isclose(found, c * sigma / m, rel_tol=0.03):
            return Feedback(False, f"{call}: the luck of a mean falls with the root of M, not with M.")
        if abs(found) < 0.05 * expected:
            return Feedback(False, f"{call}: that is the mean of all networks, not of the best.")
        if math.isclose(found, -expected, rel_tol=0.03):
            return Feedback(False, f"{call}: that is the worst of them.")
        return Feedback(False, f"{call}.")
    return Feedback(True, "Subtract it in your head when you read the first row of a table.")


def _largest(k: int) -> float:
    """Mean of the largest of k standard normal numbers, by numerical integration."""
    from scipy.integrate import quad
    from scipy.stats import norm

    return float(quad(lambda x: x * k * norm.pdf(x) * norm.cdf(x) ** (k - 1), -10, 10)[0])
