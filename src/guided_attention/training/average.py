"""A moving average of the weights, which is what is validated and kept (chapter *Training the network*)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["WeightAverage"]

_KEY = "average"


class WeightAverage:
    """Exponential moving average of the weights, kept in the optimiser's state, one tensor for each parameter.

    There it travels with checkpoints like Adam's moments. `exchange` puts the average into the network and the trained
    weights into its place: at the end of an epoch, so that what is validated and saved is the average, and again
    before the next epoch trains on. The statistics of batch norm are running averages already and stay.

    Parameters
    ----------
    decay : float
        Share of the old average that stays at each step, below 1; 0 keeps no average.
    optimizer : Optimizer
        Or what Fabric makes of it. Weights without a gradient have no average: they do not change.
    """

    def __init__(self, decay: float, optimizer: Any) -> None:
        self.decay, self.optimizer = decay, optimizer

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step; the first time they are the average."""
        if not self.decay:
            return
        averages: list[Tensor] = []
        weights: list[Tensor] = []
        for weight, state in self._states():
            if _KEY in state:
                averages.append(state[_KEY])
                weights.append(weight)
            else:
                state[_KEY] = weight.detach().clone(memory_format=torch.preserve_format)
        if averages:
            torch._foreach_lerp_(averages, weights, 1 - self.decay)

    @torch.no_grad()
    def exchange(self) -> None:
        """Swap the weights of the network with their averages; nothing happens before the first step."""
        for weight, state in self._states() if self.decay else ():
            if _KEY in state:
                trained = weight.clone(memory_format=torch.preserve_format)
                weight.copy_(state[_KEY])
                state[_KEY].copy_(trained)

    def _states(self) -> list[tuple[Tensor, dict[str, Any]]]:
        of = self.optimizer.state
        return [(p, of[p]) for group in self.optimizer.param_groups for p in group["params"] if p in of]
