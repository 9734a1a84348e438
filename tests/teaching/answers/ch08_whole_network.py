"""Right and wrong answers to the exercises of `chapters/08_whole_network.md`."""

import numpy as np
import torch
from torch import nn

from guided_attention.models.attention import DualAttention
from guided_attention.models.brick import ConvNormAct
from guided_attention.models.guidance import GuidedAttention
from guided_attention.teaching import check_brick_cost, check_complaints, check_unguided_scale


class Unguided(nn.Module):
    def __init__(self, channels, second=lambda raw, fused, attended: (raw, attended * fused), order=1, steps=2):
        super().__init__()
        self.entries = nn.ModuleList(ConvNormAct(2 * channels, channels) for _ in range(steps))
        self.steps = nn.ModuleList(DualAttention(channels) for _ in range(steps))
        self.second, self.order = second, order

    def forward(self, raw, fused):
        attended = self.steps[0](self.entries[0](torch.cat([raw, fused][:: self.order], 1)))
        if self.second is None:
            return attended
        return self.steps[1](self.entries[1](torch.cat(self.second(raw, fused, attended), 1)))


class FromPackage(GuidedAttention):
    def __init__(self, channels):
        super().__init__(channels, lambda inputs: DualAttention(channels, inputs))

    def forward(self, raw, fused):
        return super().forward(raw, fused).attention


def second(way):
    return lambda channels: Unguided(channels, way)


def complaints(mine, theirs, **names):
    names = {
        "missing": theirs.keys() - mine.keys(),
        "unexpected": mine.keys() - theirs.keys(),
        "shape": {name for name in mine if name in theirs and mine[name] != theirs[name]},
    } | names
    return [f"{what} {name}" for what, group in names.items() for name in sorted(group)]


def by_loop(mine, theirs):
    found = set()
    for name in {*mine, *theirs}:
        if name not in mine:
            found.add("missing " + name)
        elif name not in theirs:
            found.add("unexpected " + name)
        elif mine[name] != theirs[name]:
            found.add("shape " + name)
    return found


def brick_cost(inputs, outputs, size, h, w, extra=1, norms=2, square=2, factor=2):
    weights = inputs * outputs * size**square
    return weights + norms * outputs + extra, factor * inputs * outputs * size**2 * h * w


def measured(inputs, outputs, size, h, w):
    numbers = sum(p.numel() for p in ConvNormAct(inputs, outputs, size).parameters())
    return np.int64(numbers), 2.0 * h * w * (numbers - 2 * outputs - 1)


ANSWERS = {
    check_unguided_scale: (
        [Unguided, FromPackage],
        [
            (second(None), "features of step 1"),
            (second(lambda raw, fused, a: (a * fused, a * fused)), "the raw features stand before"),
            (second(lambda raw, fused, a: (raw, a)), "multiply the fused map first"),
            (second(lambda raw, fused, a: (raw, fused)), "no say"),
            (second(lambda raw, fused, a: (a * fused, raw)), "concatenation has an order"),
            (lambda channels: Unguided(channels, order=-1), r"is \[raw, fused\]"),
            (lambda channels: Unguided(channels, steps=1), "missing entries.1"),
            (lambda channels: nn.Conv2d(channels, channels, 1), "Call the parts entries and steps"),
        ],
    ),
    check_complaints: (
        [complaints, by_loop],
        [
            (lambda mine, theirs: complaints(theirs, mine), "only mine has is unexpected"),
            (lambda mine, theirs: complaints(mine, theirs, shape=mine.keys() & theirs.keys()), "with another shape"),
            (lambda mine, theirs: complaints(mine, theirs, shape=()), "different shapes"),
            (lambda mine, theirs: complaints(mine, theirs, unexpected=()), "stay random"),
            (lambda mine, theirs: ["missing c", "unexpected a", "shape b"], "expected"),
            (lambda mine, theirs: [line.split()[1] for line in complaints(mine, theirs)], "expected"),
        ],
    ),
    check_brick_cost: (
        [brick_cost, measured],
        [
            (lambda *of: brick_cost(*of, extra=0), "PReLU has one number"),
            (lambda *of: brick_cost(*of, extra=0, norms=0), "weight and a bias for each channel, PReLU"),
            (lambda *of: brick_cost(*of, norms=1), "weight and a bias"),
            (lambda *of: brick_cost(*of, norms=3), "no bias"),
            (lambda *of: brick_cost(*of, square=1), "square"),
            (lambda *of: brick_cost(*of, factor=1), "two operations"),
            (lambda i, o, s, h, w: brick_cost(i, o, s, 1, 1), "for one position"),
            (lambda *of: (73857, 603979776), "brick_cost(32"),
        ],
    ),
}
