"""Right and wrong answers to the exercises of `chapters/02_first_segmenter.md`."""

import torch
from torch import nn
from torch.nn.functional import max_pool2d

from guided_attention.models.blocks import two_convs
from guided_attention.teaching import check_cka, check_hears, check_one_skip


def hears(layers):
    seen, step = 1, 1
    for size, stride in layers:
        seen += (size - 1) * step
        step *= stride
    return seen


def backwards(layers):
    seen = 1
    for size, stride in reversed(layers):
        seen = (seen - 1) * stride + size
    return seen


def late(layers):
    seen, step = 1, 1
    for size, stride in layers:
        step *= stride
        seen += (size - 1) * step
    return seen


class OneSkip(nn.Module):
    def __init__(self, channels, classes, pick=lambda fine, below: (fine, below), last=lambda y: y):
        super().__init__()
        self.fine, self.coarse = two_convs(1, channels), two_convs(channels, 2 * channels)
        self.join = two_convs(2 * channels, channels)
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        self.head = nn.Conv2d(channels, classes, 1)
        self.pick, self.last = pick, last

    def forward(self, x):
        fine = self.fine(x)
        below = self.up(self.coarse(max_pool2d(fine, 2)))
        return self.last(self.head(self.join(torch.cat(self.pick(fine, below), 1))))


class InTwoSteps(OneSkip):
    def forward(self, x):
        fine = self.fine(x)
        pooled = fine.unflatten(3, (-1, 2)).amax(4).unflatten(2, (-1, 2)).amax(3)
        return self.head(self.join(torch.cat((fine, self.up(self.coarse(pooled))), dim=1)))


def picking(pick):
    return lambda channels, classes: OneSkip(channels, classes, pick)


def cka(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return (a.T @ b).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())


def by_gram(a, b):
    centre = torch.eye(len(a), dtype=a.dtype) - 1 / len(a)
    k, m = (centre @ x @ x.T @ centre for x in (a, b))
    return (k * m).sum() / ((k * k).sum() * (m * m).sum()).sqrt()


def raw(a, b):
    return (a.T @ b).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())


ANSWERS = {
    check_hears: (
        [hears, backwards],
        [
            (lambda layers: hears([(size + 1, stride) for size, stride in layers]), "adds k - 1"),
            (late, "own stride counts for the layers behind"),
            (lambda layers: 1 + sum(size - 1 for size, _ in layers), "multiply by the strides"),
            (lambda layers: hears(layers) - 1, "begin with 1"),
            (lambda layers: hears(layers) // 2, "both sides"),
            (lambda layers: 99, "expected 3"),
        ],
    ),
    check_one_skip: (
        [OneSkip, InTwoSteps],
        [
            (picking(lambda fine, below: (below, fine)), "fine map stands first"),
            (picking(lambda fine, below: (below, below)), "skip is missing"),
            (picking(lambda fine, below: (fine, fine)), "Nothing comes from below"),
            (picking(lambda fine, below: (fine, 0 * below)), "enlarged map is not used"),
            (lambda channels, classes: OneSkip(channels, classes, last=lambda y: y.softmax(1)), "return the logits"),
            (lambda channels, classes: nn.Conv2d(1, classes, 1), "call the parts fine"),
        ],
    ),
    check_cka: (
        [cka, by_gram],
        [
            (raw, "Centre the columns first"),
            (lambda a, b: raw(a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)), "axis 0, not each row"),
            (lambda a, b: ((a - a.mean(0)).T @ (b - b.mean(0))).norm() ** 2, "Not divided"),
            (lambda a, b: cka(a, b) / ((a - a.mean(0)).T @ (b - b.mean(0))).norm(), "numerator is squared"),
            (lambda a, b: cka(a, b).sqrt(), "This is the root"),
            (lambda a, b: 1.0, "in common"),
        ],
    ),
}
