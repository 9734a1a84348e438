"""The checkers of the chapter on the networks accept the right answer and name each typical mistake."""

import pytest
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


def test_right_answers_pass():
    assert check_field(field)
    assert check_channel_mask(lambda scores, fused: scores.softmax(1) * fused)
    assert check_map_mebibytes(lambda size, stride, modules: modules * (size / stride) ** 4 * 4 / 2**20)
    assert check_silence(silence)


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [
        ({"start": 0}, "hears itself"),
        ({"dilated": False}, "pulls the kernel apart"),
        ({"own_stride": True}, "own stride"),
        ({"jumps": False}, "two pixels of the image"),
        ({"added": True}, "Strides multiply"),
    ],
)
def test_field_names_the_mistake(mistake, reason):
    feedback = check_field(lambda layers: field(layers, **mistake))
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
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
        (lambda s, f: None, "returned None"),
    ],
)
def test_channel_mask_names_the_mistake(wrong, reason):
    feedback = check_channel_mask(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda s, r, m: m * (s / r) ** 2 * 4 / 2**20, "each pair"),
        (lambda s, r, m: m * (s / r) ** 4 / 2**20, "4 bytes"),
        (lambda s, r, m: m * (s / r) ** 4 * 4, "2**20"),
        (lambda s, r, m: m * (s / r) ** 4 * 4 / 1e6, "megabytes"),
        (lambda s, r, m: (s / r) ** 4 * 4 / 2**20, "one module"),
        (lambda s, r, m: m * s**4 * 4 / 2**20, "1 / stride"),
        (lambda s, r, m: 512, "4 MiB"),
        (lambda s, r, m: 7, "How many positions"),
    ],
)
def test_map_mebibytes_names_the_mistake(wrong, reason):
    feedback = check_map_mebibytes(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda net: None, "A factor that changes nothing is 1"),
        (lambda net: silence(net, bias=0.0), "mute"),
        (lambda net: silence(net, steps=(0,)), "step 2"),
        (lambda net: nn.init.zeros_(net.attention_heads[0].weight), "attention_heads.0.weight has changed"),
    ],
)
def test_silence_names_the_mistake(wrong, reason):
    feedback = check_silence(wrong)
    assert not feedback
    assert reason in feedback.message
