"""Checkers for the exercises of the chapter *Training the network*."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_first_loss", "check_patient_rate", "check_weight_for_sum"]


@checker
def check_first_loss(first_loss: Callable[[int, int], float]) -> Feedback:
    """Check the loss of an untrained network, ``first_loss(classes, predictions)``."""
    for classes, predictions in ((5, 8), (2, 1), (3, 4)):
        found, shrug = first_loss(classes, predictions), math.log(classes)
        known = {
            f"{found:.2f} is the loss of one prediction; eq. 10 adds up all of them.": shrug,
            f"{found:.2f} is in bits; cross-entropy in PyTorch uses the natural logarithm.": predictions
            * math.log2(classes),
            f"{found:.2f} is {classes} ln {predictions}: classes and predictions have changed places.": classes
            * math.log(predictions),
        }
        otherwise = (
            f"{found:.2f} for {classes} classes and predictions: {predictions}. What does -ln(1/{classes}) cost, and "
            "how often is it paid?"
        )
        if why := mistake(found, predictions * shrug, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "One shrug costs ln K; the network shrugs once for each prediction.")


@checker
def check_weight_for_sum(weight_for_sum: Callable[[float, int, int, int], float]) -> Feedback:
    """Check the weight that turns a sum into a mean, ``weight_for_sum(gamma, c, h, w)``."""
    for gamma, c, h, w in ((0.1, 128, 64, 32), (0.5, 3, 5, 7)):
        found, elements = weight_for_sum(gamma, c, h, w), c * h * w
        known = {
            "You divided by the positions only; the mean also runs over the channels.": gamma / (h * w),
            "You multiplied: a sum is larger than its mean, so its weight must be smaller.": gamma * elements,
            "Right factor, but where did gamma go?": 1 / elements,
        }
        otherwise = f"{found:.3g} for a map of {c} x {h} x {w}. Write sum = n * mean first: what is n?"
        if why := mistake(found, gamma / elements, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "The mean is the sum over the number of elements, and so is the weight.")


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
        ([0.5, 0.4], 1, 5e-4, "With a patience of 1 the first bad epoch halves."),
        ([0.5, 0.4, 0.4], 3, 1e-3, "Two bad epochs are not yet three."),
    ]
    for dices, patience, expected, why in cases:
        found = rate(dices, patience)
        if mistake(found, expected, {}, why):
            return Feedback(False, f"rate({dices}, {patience}) gave {found:g}, expected {expected:g}. {why}")
    return Feedback(True, "Patient, and it counts anew.")
