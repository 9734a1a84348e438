"""Checkers for the exercises of the chapter *Training the network*."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_blind_loss", "check_patient_rate", "check_weight_for_sum"]


@checker
def check_blind_loss(blind_loss: Callable[[Sequence[float], int], float]) -> Feedback:
    """Check the best loss without looking at the image, ``blind_loss(shares, predictions)``; shares add up to 1."""
    for shares, predictions in (((0.9, 0.06, 0.01, 0.01, 0.02), 8), ((0.5, 0.5), 1), ((0.7, 0.3, 0.0), 4)):
        found = blind_loss(shares, predictions)
        blind = -sum(p * math.log(p) for p in shares if p)
        known = {
            f"{found:.2f} is for one prediction; eq. 10 adds up all of them.": blind,
            f"{found:.2f} is in bits; cross-entropy in PyTorch uses the natural logarithm.": predictions
            * blind
            / math.log(2),
            f"{found:.2f} is what classes of equal share cost; here background is nearly everything.": predictions
            * math.log(len(shares)),
            f"{found:.2f} always bets on the largest class, and pays for no miss.": -predictions
            * math.log(max(shares)),
        }
        otherwise = (
            f"{found:.3g} for shares {shares} and predictions: {predictions}. Say the share of each class as its "
            "probability: what does a pixel of class k cost, how often does it come, and what if it never comes?"
        )
        if why := mistake(found, predictions * blind, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "Below this line a network has begun to look at the image.")


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
