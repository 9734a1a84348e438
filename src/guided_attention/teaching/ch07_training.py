"""Checkers for the exercises of the chapter *Training the network*."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from guided_attention.teaching.feedback import Feedback, checker

__all__ = ["check_first_loss", "check_patient_rate", "check_weight_for_sum"]


@checker
def check_first_loss(first_loss: Callable[[int, int], float]) -> Feedback:
    """Check the loss of an untrained network, ``first_loss(classes, predictions)``."""
    found = first_loss(5, 8)
    if math.isclose(found, 8 * math.log(5), rel_tol=1e-6):
        if math.isclose(first_loss(2, 1), math.log(2), rel_tol=1e-6):
            return Feedback(True, "One shrug costs ln K; the network shrugs once for each prediction.")
        return Feedback(
            False, "Right for 5 classes and 8 predictions only; for 2 classes and 1 it should be ln 2 = 0.69."
        )
    if math.isclose(found, math.log(5), rel_tol=1e-6):
        return Feedback(False, f"{found:.2f} is the loss of one prediction; eq. 10 adds up all of them.")
    if math.isclose(found, 8 * math.log2(5), rel_tol=1e-6):
        return Feedback(False, f"{found:.2f} is in bits; cross-entropy in PyTorch uses the natural logarithm.")
    if math.isclose(found, 5 * math.log(8), rel_tol=1e-6):
        return Feedback(False, f"{found:.2f} is 5 ln 8: classes and predictions have changed places.")
    return Feedback(
        False, f"{found:.2f} for 5 classes and 8 predictions. What does -ln(1/5) cost, and how often is it paid?"
    )


@checker
def check_weight_for_sum(weight_for_sum: Callable[[float, int, int, int], float]) -> Feedback:
    """Check the weight that turns a sum into a mean, ``weight_for_sum(gamma, c, h, w)``."""
    gamma, c, h, w = 0.1, 128, 64, 32
    found, elements = weight_for_sum(gamma, c, h, w), c * h * w
    if math.isclose(found, gamma / elements, rel_tol=1e-9):
        return Feedback(True, "The mean is the sum over the number of elements, and so is the weight.")
    if math.isclose(found, gamma / (h * w), rel_tol=1e-9):
        return Feedback(False, "You divided by the positions only; the mean also runs over the channels.")
    if math.isclose(found, gamma * elements, rel_tol=1e-9):
        return Feedback(False, "You multiplied: a sum is larger than its mean, so its weight must be smaller.")
    if math.isclose(found, 1 / elements, rel_tol=1e-9):
        return Feedback(False, "Right factor, but where did gamma go?")
    return Feedback(False, f"{found:.3g} for a map of {c} x {h} x {w}. Write sum = n * mean first: what is n?")


@checker
def check_patient_rate(rate: Callable[[Sequence[float], int], float]) -> Feedback:
    """Check the rule that halves the learning rate, ``rate(dices, patience)``."""
    cases: list[tuple[list[float], int, float, str]] = [
        ([], 2, 1e-3, "Before the first epoch the rate is 1e-3."),
        ([0.1, 0.2, 0.3], 2, 1e-3, "Each epoch was better than the last: nothing to halve."),
        ([0.5, 0.4], 2, 1e-3, "One bad epoch is not yet two."),
        ([0.5, 0.4, 0.4], 2, 5e-4, "Two epochs without a better one: halve with the second, not one later."),
        ([0.5, 0.5, 0.5], 2, 5e-4, "Equal is not better: these two epochs count."),
        ([0.5, 0.4, 0.45], 2, 5e-4, "Better than the epoch before is not better than the best."),
        ([0.5, 0.4, 0.4, 0.4], 2, 5e-4, "After halving, counting begins anew: one bad epoch since then."),
        ([0.5] + [0.4] * 4, 2, 2.5e-4, "Two more bad epochs halve it again."),
        ([0.5, 0.4, 0.6, 0.5], 2, 1e-3, "A better epoch sets the count back to zero."),
    ]
    for dices, patience, expected, why in cases:
        found = rate(dices, patience)
        if not math.isclose(found, expected, rel_tol=1e-9):
            return Feedback(False, f"rate({dices}, {patience}) gave {found:g}, expected {expected:g}. {why}")
    return Feedback(True, "Patient, and it counts anew.")
