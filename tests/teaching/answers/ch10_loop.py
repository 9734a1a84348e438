"""Right and wrong answers to the exercises of `chapters/10_loop.md`."""

import copy
import io
import math

import numpy as np
import torch
from scipy import integrate, stats

from guided_attention.teaching import check_halves, check_luck, check_tape


def halves(net, loss, images, labels, clear=True, factor=0.5, which=(0, 1)):
    if clear:
        net.zero_grad()
    for part in which:
        (factor * loss(net(images.chunk(2)[part]), labels.chunk(2)[part])).backward()
    return net


def in_one_sum(net, loss, images, labels):
    net.zero_grad(set_to_none=True)
    middle = len(images) // 2
    first, second = (loss(net(images[part]), labels[part]) for part in (slice(middle), slice(middle, None)))
    ((first + second) / 2).backward()
    return net


def cleared_between(net, loss, images, labels):
    for image, label in zip(images.chunk(2), labels.chunk(2), strict=True):
        net.zero_grad()
        (loss(net(image), label) / 2).backward()
    return net


def cleared_late(net, loss, images, labels):
    halves(net, loss, images, labels)
    net.zero_grad(set_to_none=False)
    return net


def lost(net, loss, images, labels):
    net.zero_grad()
    return net


def whole(net, adam):
    return copy.deepcopy({"net": net.state_dict(), "adam": adam.state_dict()})


def through_a_file(net, adam):
    file = io.BytesIO()
    torch.save({"adam": adam.state_dict(), "net": net.state_dict(), "epoch": 3}, file)
    file.seek(0)
    return torch.load(file)


def with_(part, value):
    return lambda net, adam: {**whole(net, adam), part: value(net, adam)}


def takes(epochs):
    return np.random.default_rng(1).normal(size=(20_000, epochs))


def luck(epochs):
    return takes(epochs).max(axis=1).mean()


def integrated(epochs):
    density = lambda x: x * epochs * stats.norm.pdf(x) * stats.norm.cdf(x) ** (epochs - 1)  # noqa: E731
    return integrate.quad(density, -9, 9)[0]


def without_moments(net, adam):
    state = copy.deepcopy(adam.state_dict())
    return {"net": copy.deepcopy(net.state_dict()), "adam": {**state, "state": {}}}


ANSWERS = {
    check_halves: (
        [halves, in_one_sum],
        [
            (lambda *a: halves(*a, factor=1.0), "twice as large"),
            (lambda *a: halves(*a, clear=False), "What was in p.grad before"),
            (cleared_between, "the second half alone: clear the gradients once"),
            (cleared_late, "No gradients are left"),
            (lost, "A parameter has no gradient"),
            (lambda *a: halves(*a, which=(0,)), "the first half alone"),
        ],
    ),
    check_tape: (
        [whole, through_a_file],
        [
            (lambda net, adam: {"net": net.state_dict(), "adam": adam.state_dict()}, "state_dict hands out no copies"),
            (with_("adam", lambda net, adam: adam.state_dict()), "Adam's part changed"),
            (without_moments, "Adam's means are missing"),
            (lambda net, adam: {"net": copy.deepcopy(net.state_dict())}, 'keys "net" and "adam"'),
            (with_("net", lambda net, adam: dict(net.named_parameters())), "Missing key|does not take its part"),
            (with_("adam", lambda net, adam: {}), "Adam does not take its part"),
        ],
    ),
    check_luck: (
        [luck, integrated],
        [
            (
                lambda epochs: np.abs(takes(epochs)).max(1).mean(),
                "either side",
            ),
            (lambda epochs: takes(epochs).mean(), "mean of the epochs"),
            (lambda epochs: takes(epochs).min(1).mean(), "the worst of them"),
            (lambda epochs: math.sqrt(2 * math.log(epochs)), "draw, take the best"),
            (lambda epochs: np.random.default_rng(5).normal(size=epochs).max(), "average many times"),
        ],
    ),
}
