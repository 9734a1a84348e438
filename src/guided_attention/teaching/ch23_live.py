"""Checkers for the exercises of the chapter *The network in the page*."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from guided_attention.teaching.feedback import Feedback, checker

__all__ = ["check_half_gone", "check_lost_outside"]

Labels = Callable[[Tensor], np.ndarray]

_SIDE = 12


@checker
def check_lost_outside(lost_outside: Callable[[Labels, Tensor, int, int], int]) -> Feedback:
    """Check what a square costs around it, ``lost_outside(labels, x, row, col)``; labels(x): (1, 1, H, W) -> (H, W)."""
    x = torch.zeros(1, 1, 40, 36)
    x[..., 6:32, 6:30] = 0.5
    for row, col in ((12, 12), (18, 16)):
        given = x.clone()
        found = lost_outside(_far_sighted, given, row, col)
        if not torch.equal(given, x):
            return Feedback(False, "Your square is still in x: paint on x.clone(), or the next square meets this one.")
        before, after = _far_sighted(x) == 1, _far_sighted(_painted(x, row, col)) == 1
        outside = np.ones_like(before)
        outside[row : row + _SIDE, col : col + _SIDE] = False
        mistakes = {
            int((before & ~after).sum()): "with those under the square; only what is lost outside counts.",
            int(((before != after) & outside).sum()): "with pixels that became liver; only lost ones count.",
            int((before & outside).sum() - (after & outside).sum()): "less the pixels that became liver; those that "
            "were lost are lost.",
            int((after & outside).sum()): "pixels are left; how many were lost?",
            int((before & (_far_sighted(_painted(x, col, row)) != 1)).sum())
            - _SIDE**2: "row and column changed places.",
        }
        expected = int((before & ~after & outside).sum())
        if found != expected:
            why = mistakes.get(found, f"expected {expected}. Compare the liver before with the liver after.")
            return Feedback(False, f"{found} for a square at row {row}, column {col}: {why}")
    return Feedback(True, "Only liver, only lost, only outside the square.")


@checker
def check_half_gone(half_gone: Callable[[Labels, Tensor, Sequence[float]], float]) -> Feedback:
    """Check ``half_gone(labels, x, factors)``: the first factor that costs half of the liver, inf if none does."""
    x = torch.zeros(1, 1, 8, 10)
    x[..., :4, :] = torch.linspace(0.35, 0.59, 10)  # liver
    x[..., 4:6, :] = 0.28  # becomes liver when it is brighter
    x[..., 7, 0] = 0.95
    factors = [1.1, 1.2, 1.3, 1.4, 1.5, 1.6]
    found = half_gone(_choosy, x.clone(), factors)
    if math.isclose(found, 1.1):
        return Feedback(False, "1.1 already? Above 1 this network sees nothing at all: clip to 1 after multiplying.")
    if math.isclose(found, 1.2):
        return Feedback(False, "1.2 is the last factor before; wanted is the first at which half is gone.")
    if not math.isclose(found, 1.3):
        why = "Ask the pixels that were liver at first; others become liver meanwhile."
        return Feedback(False, f"{found:g}, expected 1.3. {why}")
    never = half_gone(_choosy, x.clone(), factors[:2])
    if never != math.inf:
        return Feedback(False, f"{never:g} where no factor is enough; expected math.inf.")
    return Feedback(True, "A threshold in grey, and nothing else, was crossed.")


def _painted(x: Tensor, row: int, col: int) -> Tensor:
    painted = x.clone()
    painted[..., row : row + _SIDE, col : col + _SIDE] = 1.0
    return painted


def _far_sighted(x: Tensor) -> np.ndarray:
    """Liver is grey, unless 12 columns to its right something is white; and so is black with white 20 to its left."""
    grey = x[0, 0].numpy()
    white = np.pad(grey >= 0.9, ((0, 0), (20, 12)))
    right, left = white[:, 32:], white[:, : grey.shape[1]]
    return np.where((grey > 0.3) & (grey < 0.9) & ~right | (grey == 0) & left, 1, 0)


def _choosy(x: Tensor) -> np.ndarray:
    """Liver is of middle grey; a slice with values above 1 is nothing that was ever seen."""
    grey = x[0, 0].numpy()
    return np.where((grey > 0.3) & (grey < 0.6) & (grey.max() <= 1), 1, 0)
