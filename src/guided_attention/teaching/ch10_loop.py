"""Checkers for the exercises of the chapter *Write the loop*."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_halves", "check_luck", "check_tape"]

Loss = Callable[[Tensor, Tensor], Tensor]


@checker
def check_halves(halves: Callable[[nn.Module, Loss, Tensor, Tensor], nn.Module]) -> Feedback:
    """Check gradients of a batch from its two halves, ``halves(net, loss, images, labels)``."""
    for seed in (0, 1):
        if why := _halves(halves, seed):
            return Feedback(False, why)
    return Feedback(True, "The same gradient in half the memory, as long as no layer looks at the batch.")


def _halves(halves: Callable[[nn.Module, Loss, Tensor, Tensor], nn.Module], seed: int) -> str:
    g = torch.Generator().manual_seed(seed)
    images, labels = torch.randn(6, 3, generator=g).double(), torch.randn(6, 2, generator=g).double()
    whole, first, second = (_gradient_of(images[part], labels[part]) for part in (slice(6), slice(3), slice(3, 6)))
    known = {
        "The gradients add up, so these are twice as large: each half counts one half.": first + second,
        "This is the second half alone: clear the gradients once, before both.": second / 2,
        "This is the second half alone, as if it were all: clear the gradients once, and halve each loss.": second,
        "This is the first half alone.": first / 2,
        "This is the first half alone, as if it were all.": first,
        "What was in p.grad before is still there: clear it first.": whole + 1,
        "No gradients are left: the backward passes come after clearing.": torch.zeros_like(whole),
    }
    mine = halves(_linear(old=1.0), mse_loss, images, labels)
    if any(p.grad is None for p in mine.parameters()):
        return "A parameter has no gradient: call backward, and return the net itself."
    return mistake(_gradient(mine), whole, known, "These are other gradients than those of the whole batch.")


def _linear(old: float) -> nn.Module:
    """A net with the same weights each time, in whose gradients something stands already."""
    torch.manual_seed(1)
    net = nn.Linear(3, 2).double()
    for p in net.parameters():
        p.grad = torch.full_like(p, old)
    return net


def _gradient_of(images: Tensor, labels: Tensor) -> Tensor:
    net = _linear(old=0.0)
    mse_loss(net(images), labels).backward()
    return _gradient(net)


def _gradient(net: nn.Module) -> Tensor:
    return torch.cat([p.grad.detach().flatten() for p in net.parameters() if p.grad is not None])


class _Practice:
    """A small net with batch norm and its Adam, which play steps that the number of the step decides about."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).double()
        self.adam = torch.optim.Adam(self.net.parameters(), 1e-2)

    def play(self, *steps: int) -> _Practice:
        for step in steps:
            g = torch.Generator().manual_seed(step)
            x, y = torch.randn(6, 4, generator=g).double(), torch.randn(6, 2, generator=g).double()
            self.adam.zero_grad()
            mse_loss(self.net(x), y).backward()
            self.adam.step()
        return self

    def weights(self) -> Tensor:
        """Weights and running statistics."""
        return torch.cat([value.detach().double().flatten() for value in self.net.state_dict().values()])


@checker
def check_tape(tape: Callable[[nn.Module, torch.optim.Optimizer], dict[str, Any]]) -> Feedback:
    """Check that ``tape(net, adam)`` holds all that a training needs to go on, and does not change with it."""
    for seed in (0, 1):
        if why := _tape(tape, seed):
            return Feedback(False, why)
    return Feedback(True, "It plays on as if nobody had stopped: weights, running statistics, moments and count.")


def _tape(tape: Callable[[nn.Module, torch.optim.Optimizer], dict[str, Any]], seed: int) -> str:
    live = _Practice(seed).play(1, 2, 3)
    taped = tape(live.net, live.adam)
    if not {"net", "adam"} <= taped.keys():
        return f'Expected the keys "net" and "adam", found {sorted(map(str, taped))}.'
    before = {name: value.clone() for name, value in live.net.state_dict().items()}
    wanted = live.play(4, 5).weights()
    again = _Practice(seed)
    try:
        again.net.load_state_dict(taped["net"])
    except (RuntimeError, TypeError, AttributeError) as error:
        return f"The net does not take its part: {str(error).splitlines()[0]}"
    moved = [name for name, value in again.net.state_dict().items() if not torch.equal(value, before[name])]
    if moved:
        return f"{moved[0]} on the tape changed when the training went on: state_dict hands out no copies."
    try:
        again.adam.load_state_dict(taped["adam"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return f"Adam does not take its part: {error}"
    if not again.adam.state:
        return "Adam's means are missing, so it would begin at zero: take its state_dict."
    if not torch.allclose(again.play(4, 5).weights(), wanted, rtol=1e-9, atol=1e-12):
        return "The weights are right and the going on is not: Adam's part changed after it was taped."
    return ""


@checker
def check_luck(luck: Callable[[int], float]) -> Feedback:
    """Check how much better the best of some epochs looks by chance, ``luck(epochs)``, in standard deviations."""
    for epochs, right in ((1, 0.0), (10, 1.539), (100, 2.508)):
        found = luck(epochs)
        if abs(found - right) < 0.06:
            continue
        size = {1: 0.798, 10: 1.871, 100: 2.750}[epochs]
        known = {
            "This is the largest distance to either side; only better scores are kept.": size,
            "This is the mean of the epochs and not the best of them.": 0.0,
            "This is the worst of them.": -right,
        }
        near = [why for why, value in known.items() if abs(found - value) < 0.06]
        otherwise = f"luck({epochs}) gave {found:.2f}, expected {right:.2f}: draw, take the best, average many times."
        return Feedback(False, near[0] if near else otherwise)
    return Feedback(True, "A hundred epochs make two and a half standard deviations out of nothing.")
