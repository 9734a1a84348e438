"""Checkers for the exercises of the chapter *A first segmenter, and how it fails*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from guided_attention.models.blocks import two_convs
from guided_attention.teaching.feedback import Feedback, checker, judge, mistake, module_result

__all__ = ["check_cka", "check_hears", "check_one_skip"]

Layers = Sequence[tuple[int, int]]


@checker
def check_hears(hears: Callable[[Layers], int]) -> Feedback:
    """Check how many pixels across a number hears, ``hears(layers)`` for pairs (size, stride)."""
    streets = ([(3, 1)], [(3, 1), (3, 1)], [(3, 1), (3, 1), (2, 2), (3, 1)], [(7, 2), (3, 2), (1, 1), (5, 1), (2, 2)])
    for layers in streets:
        seen, before, step = 1, 1, 1
        whole, late, flat = 1, 1, 1
        for size, stride in layers:
            seen += (size - 1) * step
            whole += size * step
            flat += size - 1
            step *= stride
            late += (size - 1) * step
        before = seen - 1
        known = {
            "A layer of size k adds k - 1 steps, because the pixel itself was there already.": whole,
            "A layer's own stride counts for the layers behind it, not for itself.": late,
            "Behind a stride every step is longer: multiply by the strides so far.": flat,
            "Without any layer a number hears one pixel, its own: begin with 1.": before,
            "This is one direction; both sides are heard.": seen // 2,
        }
        if why := mistake(hears(list(layers)), seen, known, f"{layers}: expected {seen}."):
            return Feedback(False, why)
    return Feedback(True, "Each stride makes all later steps longer, so depth is cheap and distance grows fast.")


class _OneSkip(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.fine, self.coarse = two_convs(1, channels), two_convs(channels, 2 * channels)
        self.join = two_convs(2 * channels, channels)
        self.up, self.head = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2), nn.Conv2d(channels, classes, 1)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(x)
        return fine, self.up(self.coarse(max_pool2d(fine, 2)))

    def finish(self, first: Tensor, second: Tensor) -> Tensor:
        return self.head(self.join(torch.cat([first, second], 1)))


@checker
def check_one_skip(one_skip: Callable[[int, int], nn.Module]) -> Feedback:
    """Check a U-Net of two levels, ``one_skip(C, classes)`` with ``fine``, ``coarse``, ``up``, ``join``, ``head``."""
    for channels, classes in ((4, 3), (2, 5)):
        verdict = _one_skip(one_skip(channels, classes), channels, classes)
        if not verdict:
            break
    return verdict


def _one_skip(mine: nn.Module, channels: int, classes: int) -> Feedback:
    torch.manual_seed(0)
    theirs, mine = _OneSkip(channels, classes).double().eval(), mine.double().eval()
    own, given = ({name: tuple(v.shape) for name, v in one.state_dict().items()} for one in (mine, theirs))
    if own != given:
        odd = sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name))
        names = ", ".join(odd[:3])
        return Feedback(False, f"The weights do not fit at {names}: call the parts fine, coarse, up, join and head.")
    mine.load_state_dict(theirs.state_dict())
    x = torch.randn((2, 1, 8, 12), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        found = module_result(mine, x)
        if isinstance(found, Feedback):
            return found
        fine, below = theirs.parts(x)
        nothing = torch.zeros_like(fine)
        known = {
            "The other way round: the fine map stands first.": theirs.finish(below, fine),
            "The skip is missing: what came through the pooling stands there twice.": theirs.finish(below, below),
            "Nothing comes from below: the fine map stands there twice.": theirs.finish(fine, fine),
            "The enlarged map is not used.": theirs.finish(fine, nothing),
            "These are probabilities; return the logits.": theirs.finish(fine, below).softmax(1),
        }
        praise = "The fine map says where, the coarse one says what."
        return judge(found, theirs.finish(fine, below), known, praise, 1e-6)


@checker
def check_cka(cka: Callable[[Tensor, Tensor], float]) -> Feedback:
    """Check linear CKA, ``cka(a, b)`` for matrices with a row for each place (Kornblith et al. 2019)."""
    g = torch.Generator().manual_seed(0)
    a = torch.randn(40, 3, generator=g, dtype=torch.float64) + 2
    noise = torch.randn(40, 4, generator=g, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=g, dtype=torch.float64))[0]
    cases = {
        "a matrix and itself": (a, a),
        "a matrix and a rotated, scaled and shifted copy": (a, 3 * a @ turn + 1),
        "two matrices with something in common": (a, torch.cat([a[:, :1], noise], 1)),
    }
    for name, (first, second) in cases.items():
        found = cka(first.clone(), second.clone())
        right = _cka(first - first.mean(0), second - second.mean(0))
        x, y = first - first.mean(0), second - second.mean(0)
        known = {
            "Centre the columns first: CKA is about how places differ.": _cka(first, second),
            "Centre each column over the places, axis 0, not each row.": _cka(
                first - first.mean(1, keepdim=True), second - second.mean(1, keepdim=True)
            ),
            "Not divided: it grows with the size of the numbers.": float((x.T @ y).norm() ** 2),
            "The numerator is squared.": float((x.T @ y).norm() / ((x.T @ x).norm() * (y.T @ y).norm())),
            "This is the root; CKA has the square above.": right**0.5,
        }
        if abs(found - right) < 1e-5:
            continue
        why = mistake(found, right, known, "")
        return Feedback(False, f"{name}: {found:.3f}, expected {right:.3f}. {why}".rstrip())
    return Feedback(True, "Neither rotation nor scale matters, so it compares what is known and not how it is written.")


def _cka(x: Tensor, y: Tensor) -> float:
    return float((x.T @ y).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm()))
