"""Right and wrong answers to the exercises of `chapters/13_family.md`."""

from functools import partial

import numpy as np
from torch import nn

from guided_attention.teaching.ch13_family import check_budget, check_field, check_map_mebibytes, check_silence


def field(layers, *, jumps=True, own_stride=False, dilated=True, start=1, added=False):
    width, step = start, 1
    for kernel, stride, dilation in layers:
        if own_stride:
            step *= stride
        width += (kernel - 1) * (dilation if dilated else 1) * (step if jumps else 1)
        if not own_stride:
            step = step + stride - 1 if added else step * stride
    return width


def silence(net, *, weight=0.0, bias=1.0, steps=(0, 1)):
    for scale in net.scales:
        for t in steps:
            nn.init.constant_(scale.gates[t][1].weight, weight)
            nn.init.constant_(scale.gates[t][1].bias, bias)


def backwards(layers):
    width = 1
    for kernel, stride, dilation in reversed(layers):
        width = (width - 1) * stride + dilation * (kernel - 1) + 1
    return width


def by_sums(weights, average=False):
    for axis in range(1, weights.ndim):
        sums = weights.sum(axis)
        if ((sums.mean() - 1).abs() if average else (sums - 1).abs().max()) < 1e-3:
            return axis
    return -1


def by_loop(weights, exactly=False):
    near = (lambda sums, one: bool((sums == one).all())) if exactly else partial(np.allclose, atol=1e-4)
    found = [axis for axis in range(weights.ndim) if near(weights.numpy().sum(axis), np.ones(1))]
    return np.int64(found[0]) if found else -1


class Open(nn.Module):
    def forward(self, x):
        return x.new_ones(())


def replace_gates(net):
    for scale in net.scales:
        scale.gates = nn.ModuleList(Open() for _ in scale.gates)


ANSWERS = {
    check_field: (
        [field, backwards],
        [
            (partial(field, **{"start": 0}), "hears itself"),
            (partial(field, **{"dilated": False}), "pulls the kernel apart"),
            (partial(field, **{"own_stride": True}), "own stride"),
            (partial(field, **{"jumps": False}), "two pixels of the image"),
            (partial(field, **{"added": True}), "Strides multiply"),
            (lambda layers: 435, "hears itself"),
        ],
    ),
    check_budget: (
        [by_sums, by_loop],
        [
            (lambda w: by_sums(w) - w.ndim if by_sums(w) > 0 else -1, "counts from the end"),
            (lambda w: 1, "Row j holds"),
            (lambda w: w.ndim - 1, "the channels, axis 1"),
            (lambda w: {4: 1, 3: 2}[w.ndim], "only sums can tell"),
            (lambda w: by_sums(w) if by_sums(w) >= 0 else 1, "open everywhere"),
            (lambda w: by_sums(w, average=True), "it must hold at every place"),
            (partial(by_loop, **{"exactly": True}), "gave -1, expected 1"),
            (lambda w: by_sums(w) if len(w) > 1 else -1, "rounding"),
        ],
    ),
    check_map_mebibytes: (
        [
            lambda size, stride, modules: modules * (size / stride) ** 4 * 4 / 2**20,
            lambda size, stride, modules: modules * np.zeros(((size // stride) ** 2,) * 2, np.float32).nbytes / 1024**2,
        ],
        [
            (lambda s, r, m: m * (s / r) ** 2 * 4 / 2**20, "each pair"),
            (lambda s, r, m: m * (s / r) ** 4 / 2**20, "4 bytes"),
            (lambda s, r, m: m * (s / r) ** 4 * 4, "2**20"),
            (lambda s, r, m: m * (s / r) ** 4 * 4 / 1e6, "megabytes"),
            (lambda s, r, m: (s / r) ** 4 * 4 / 2**20, "one module"),
            (lambda s, r, m: m * s**4 * 4 / 2**20, "1 / stride"),
            (lambda s, r, m: 7, "How many positions"),
            (lambda s, r, m: m * (256 / r) ** 4 * 4 / 2**20, "size 96"),
        ],
    ),
    check_silence: (
        [silence, replace_gates],
        [
            (lambda net: None, "A factor that changes nothing is 1"),
            (lambda net: silence(net, bias=0.0), "mute"),
            (lambda net: silence(net, steps=(0,)), "step 2"),
            (lambda net: nn.init.zeros_(net.attention_heads[0].weight), "attention_heads.0.weight has changed"),
        ],
    ),
}
