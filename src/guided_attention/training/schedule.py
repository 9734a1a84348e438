"""The learning rate of an epoch, from the epochs before it.

A function of the history and nothing else, so that a resumed run has no scheduler state to restore.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from guided_attention.training.settings import FitSettings

__all__ = ["learning_rate"]


def learning_rate(settings: FitSettings, dices: Sequence[float]) -> float:
    """Return the learning rate of the epoch that follows.

    ``"plateau"`` is the paper's rule: after ``patience`` epochs without a better validation score, multiply by
    ``factor`` and count anew. (The released code does something else: it halves in epoch 0 and whenever the epoch is
    a multiple of the best epoch plus 50.) ``"cosine"`` falls from ``learning_rate`` towards 0 along half a cosine: a
    short run has no time to wait for a plateau.

    In the first ``warmup`` epochs either is multiplied by 1 / (warmup + 1), 2 / (warmup + 1) and so on.

    Parameters
    ----------
    settings : FitSettings
        Of the run.
    dices : sequence of float
        Validation Dice of all epochs so far.

    Notes
    -----
    Built in the chapter *Training the network*.
    """
    start = min(1.0, (len(dices) + 1) / (settings.warmup + 1))
    if settings.schedule == "cosine":
        return start * settings.learning_rate * 0.5 * (1 + math.cos(math.pi * len(dices) / settings.epochs))
    rate, best, waited = start * settings.learning_rate, -math.inf, 0
    for dice in dices:
        if dice > best:
            best, waited = dice, 0
            continue
        waited += 1
        if waited == settings.patience:
            rate, waited = rate * settings.factor, 0
    return rate
