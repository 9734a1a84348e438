"""Right and wrong answers to the exercises of `chapters/09_family.md`."""

from functools import partial

import numpy as np
from torch import nn

from guided_attention.teaching.ch09_family import check_channel_mask, check_field, check_map_mebibytes, check_silence


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


def by_hand(scores, fused):
    powers = (scores - scores.amax(1, keepdim=True)).exp()
    return powers * fused / powers.sum(dim=1, keepdim=True)


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
    check_channel_mask: (
        [lambda scores, fused: scores.softmax(1) * fused, by_hand],
        [
            (lambda s, f: s.flatten(2).softmax(2).view_as(s) * f, "over the positions"),
            (lambda s, f: s.softmax(0) * f, "over the batch"),
            (lambda s, f: s.softmax(2) * f, "rows"),
            (lambda s, f: s.softmax(3) * f, "columns"),
            (lambda s, f: s.sigmoid() * f, "compete"),
            (lambda s, f: s.softmax(1), "multiply the fused"),
            (lambda s, f: s.softmax(1) * f + f, "added"),
            (lambda s, f: s * f, "off by"),
            (lambda s, f: s.softmax(1).sum(1), "it should be (B, C, h, w)"),
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
