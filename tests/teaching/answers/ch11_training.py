"""Right and wrong answers to the exercises of `chapters/11_training.md`."""

import math
from functools import partial

import numpy as np
import torch
from torch.distributions import Categorical

from guided_attention.teaching import check_blind_loss, check_patient_rate, check_weight_for_sum


def halving(dices, patience, *, late=0, equal_is_better=False, forget_best=False, no_restart=False):
    value, best, waited = 1e-3, -math.inf, 0
    for dice in dices:
        better = dice >= best if equal_is_better else dice > best
        best, waited = (dice, 0) if better else (dice if forget_best else best, waited + 1)
        if waited == patience + late:
            value, waited = value / 2, waited if no_restart else 0
        elif no_restart and waited > patience:
            value /= 2
    return value


def counted(dices, patience):
    rate, since = 1e-3, 0
    for epoch, dice in enumerate(dices):
        since = 0 if dice > max(dices[:epoch], default=0) else since + 1
        if since and since % patience == 0:
            rate *= 0.5
    return torch.tensor(rate)


def blind(shares, predictions):
    p = np.array(shares)[np.array(shares) > 0]
    return -predictions * (p * np.log(p)).sum()


ANSWERS = {
    check_blind_loss: (
        [blind, lambda shares, n: n * Categorical(torch.tensor(shares, dtype=torch.float64)).entropy()],
        [
            (lambda shares, n: blind(shares, 1), "adds up all"),
            (lambda shares, n: blind(shares, n) / math.log(2), "bits"),
            (lambda shares, n: n * math.log(len(shares)), "equal share"),
            (lambda shares, n: -n * math.log(max(shares)), "bets on the largest"),
            (lambda shares, n: -n * sum(p * math.log(p) for p in shares), "ValueError"),
            (lambda shares, n: -n * sum(math.log(p) for p in shares if p), "what does a pixel of class k cost"),
            (lambda shares, n: blind((0.9, 0.06, 0.01, 0.01, 0.02), 8), "what does a pixel of class k cost"),
        ],
    ),
    check_weight_for_sum: (
        [
            lambda g, c, h, w: g / (c * h * w),
            lambda g, c, h, w: g * np.full((c, h, w), 1.0).mean() / np.ones((c, h, w)).sum(),
        ],
        [
            (lambda g, c, h, w: g / (h * w), "positions only"),
            (lambda g, c, h, w: g * c * h * w, "multiplied"),
            (lambda g, c, h, w: 1 / (c * h * w), "gamma"),
            (lambda g, c, h, w: g, "what is n"),
            (lambda g, c, h, w: 0.1 / 128 / 64 / 32, "3 x 5 x 7"),
        ],
    ),
    check_patient_rate: (
        [halving, counted],
        [
            (partial(halving, **{"late": 1}), "not one later"),
            (partial(halving, **{"equal_is_better": True}), "Equal is not better"),
            (partial(halving, **{"forget_best": True}), "not better than the best"),
            (partial(halving, **{"no_restart": True}), "begins anew"),
            (lambda dices, patience: halving(dices, 2), "patience of 1"),
            (lambda dices, patience: 1e-3, "halve with the second"),
        ],
    ),
}
