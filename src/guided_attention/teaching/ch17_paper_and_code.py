"""Checkers for the exercises of the chapter *The paper and its code*."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_halvings", "check_pooled_dice", "check_pulls"]

Pair = tuple[np.ndarray, np.ndarray]


@checker
def check_halvings(halvings: Callable[[Sequence[int], int], np.ndarray]) -> Feedback:
    """Check the epochs at which the released rule halves the rate, ``halvings(best, epochs)``."""
    stuck, climbing = [min(e, 30) for e in range(290)], list(range(300))
    late = [0] * 60 + [60] * 200
    for best, said in (
        (stuck, "a best epoch that stays 30"),
        (climbing, "a new best in every epoch"),
        (late, "a new best at 60"),
    ):
        answer = halvings(list(best), len(best))
        if answer.ndim != 1 or not np.isfinite(answer).all():
            return Feedback(False, f"Expected a list of epochs, found numbers of shape {answer.shape}, {answer.dtype}.")
        found = answer.tolist()
        expected = [e for e in range(len(best)) if e % (best[e] + 50) == 0]
        if found == expected:
            continue
        call = f"With {said}: {found[:6]}, expected {expected[:6]}"
        known = {
            "This is the text's rule, which counts from the best epoch; the code takes multiples of best + 50.": [
                e for e in range(len(best)) if e > best[e] and (e - best[e]) % 50 == 0
            ],
            "Epoch 0 is a multiple of everything; the code halves there, too.": expected[1:],
            "The best epoch is the best *so far*, best[e], not that of the whole run.": [
                e for e in range(len(best)) if e % (best[-1] + 50) == 0
            ],
            "Every 50 epochs would forget the best one.": list(range(0, len(best), 50)),
        }
        why = next(
            (why for why, other in known.items() if other == found), "Epoch e halves if e % (best[e] + 50) is 0."
        )
        return Feedback(False, f"{call}. {why}")
    return Feedback(
        True, "With a new best in every epoch it halves in epoch 0 and never again: e is no multiple of e + 50."
    )


@checker
def check_pooled_dice(pooled_dice: Callable[[Sequence[Pair]], float]) -> Feedback:
    """Check one Dice over the voxels of all subjects, ``pooled_dice(pairs)``."""
    large, small = np.zeros((2, 2, 30, 30), bool), np.zeros((2, 1, 4, 5), bool)
    large[0, :, :, :20] = large[1, :, :, 2:22] = True  # 1200 voxels each, 1080 in common
    small[1, :, :2] = True  # 10 voxels, all missed
    halves = np.ones((2, 3, 2, 2), bool)
    halves[0, 0] = False
    for pairs in ([tuple(large), tuple(small)], [tuple(halves), tuple(small), tuple(large)]):
        found = pooled_dice([(p.copy(), r.copy()) for p, r in pairs])
        common, sizes = (
            np.array(n, float)
            for n in zip(*((int((p & r).sum()), int(p.sum() + r.sum())) for p, r in pairs), strict=True)
        )
        right = float(2 * common.sum() / sizes.sum())
        known = {
            f"{found:.3f} is the mean over subjects; here every *voxel* has one vote.": float(
                (2 * common / sizes).mean()
            ),
            f"{found:.3f} is half of it: common voxels count twice.": right / 2,
            f"{found:.3f} is intersection over union of all voxels; Dice divides by the sum of both sizes.": float(
                common.sum() / (sizes.sum() - common.sum())
            ),
        }
        otherwise = f"{found:.3f}, expected 2 * {common.sum():.0f} / {sizes.sum():.0f} = {right:.3f}."
        if why := mistake(found, right, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "A large patient has many votes, and a small one can be missed without a trace.")


@checker
def check_pulls(pulls: Callable[[Tensor, Tensor, bool], tuple[float, float]]) -> Feedback:
    """Check whom the guided loss pulls, ``pulls(first, second, stop)``: the norms of two gradients."""
    generator = torch.Generator().manual_seed(0)
    for shape in ((2,), (2, 3, 4, 4)):
        first, second = torch.randn(2, *shape, generator=generator)
        norm = float((first - second).norm())
        pull = 2 * norm / first.numel()
        for stop in (False, True):
            found = pulls(first.clone(), second.clone(), stop)
            if np.allclose(found, (0.0 if stop else pull, pull), rtol=1e-4):
                continue
            call = f"{first.numel()} numbers, stop={stop}: found ({found[0]:.3g}, {found[1]:.3g})"
            if stop and np.allclose(found, (pull, pull), rtol=1e-4):
                return Feedback(False, f"{call}: the first latent still moves; detach it before the difference.")
            if stop and math.isclose(found[1], 0, abs_tol=1e-9):
                return Feedback(False, f"{call}: the second latent is the one that learns; hold the first still.")
            if np.allclose(found[1], 2 * norm, rtol=1e-4):
                return Feedback(False, f"{call}: this is the gradient of the sum; the loss is the mean.")
            if np.allclose(found[1], norm / first.numel(), rtol=1e-4):
                return Feedback(False, f"{call}: half of it; a square has a derivative of twice its root.")
            return Feedback(False, f"{call}, expected ({0.0 if stop else pull:.3g}, {pull:.3g}).")
    return Feedback(True, "`detach` before the difference: the value stays, one of two pulls is gone.")
