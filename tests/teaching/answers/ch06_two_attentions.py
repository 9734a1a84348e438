"""Right and wrong answers to the exercises of `chapters/06_two_attentions.md`."""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from guided_attention.teaching import check_loudness, check_one_piece, check_stacked


def stacked(raw, fused, entries, steps, *, mark=lambda a, focus, raw, fused: a * fused, order=1, last=None):
    focus = fused
    for entry, step in list(zip(entries, steps, strict=True))[:last]:
        attention = step(entry(torch.cat([raw, focus][::order], 1)))
        focus = mark(attention, focus, raw, fused)
    return attention


def recursive(raw, fused, entries, steps):
    marks = recursive(raw, fused, entries[:-1], steps[:-1]) if len(steps) > 1 else torch.ones_like(fused)
    return steps[-1](entries[-1](torch.cat([raw, marks * fused], 1)))


def marked(mark):
    return lambda *arguments: stacked(*arguments, mark=mark)


def piece(conv, norm, *, eps=None, mean=True, shift=True, weight=True, root=True, scaled=True):
    made = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, padding=conv.padding).to(conv.weight)
    std = norm.running_var + (norm.eps if eps is None else eps)
    gain = (norm.weight if weight else 1) / (std.sqrt() if root else std)
    made.weight.data = conv.weight.data * gain[:, None, None, None].data
    bias = (norm.bias if shift else 0) - ((gain if scaled else 1) * norm.running_mean if mean else 0)
    made.bias.data = bias.data if isinstance(bias, torch.Tensor) else torch.zeros_like(made.bias)
    return made


def in_place(conv, norm):
    made = piece(conv, norm)
    conv.weight.data = made.weight.data
    return made


def without_bias(conv, norm):
    made = piece(conv, norm)
    nn.init.zeros_(made.bias)
    return made


def size(x):
    return x.square().mean().sqrt()


ANSWERS = {
    check_stacked: (
        [stacked, recursive],
        [
            (lambda *a: stacked(*a, last=1), "first step"),
            (marked(lambda a, f, raw, fused: a + fused), "multiplies"),
            (marked(lambda a, f, raw, fused: a * raw), "raw features"),
            (marked(lambda a, f, raw, fused: a), "their product with F_MS"),
            (marked(lambda a, f, raw, fused: fused), "unmarked"),
            (lambda *a: stacked(*a, order=-1), "come first"),
            (marked(lambda a, f, raw, fused: a * f), "marks upon marks"),
            (lambda raw, fused, entries, steps: stacked(raw, fused, entries, steps)[:1], "shape"),
            (lambda *a: 2 * stacked(*a), "off by up to"),
            (lambda raw, fused, entries, steps: steps[0](raw + fused) * raw, "off by up to"),
        ],
    ),
    check_one_piece: (
        [piece, lambda conv, norm: fuse_conv_bn_eval(copy.deepcopy(conv).eval(), norm)],
        [
            (lambda conv, norm: copy.deepcopy(conv), "convolution alone"),
            (lambda conv, norm: nn.Sequential(copy.deepcopy(conv), norm), "batch norm is still inside"),
            (in_place, "was changed"),
            (without_bias, "The bias is missing"),
            (lambda conv, norm: piece(conv, norm, mean=False), "running mean is missing"),
            (lambda conv, norm: piece(conv, norm, shift=False), "norm.bias is missing"),
            (lambda conv, norm: piece(conv, norm, scaled=False), "must be scaled"),
            (lambda conv, norm: piece(conv, norm, weight=False), "norm.weight is missing"),
            (lambda conv, norm: piece(conv, norm, root=False), "by its root"),
            (lambda conv, norm: piece(conv, norm, eps=0), "norm.eps"),
            (lambda conv, norm: nn.Conv2d(3, 4, 3).double(), "shape"),
            (lambda conv, norm: nn.Conv2d(7, 4, 3).double(), "The module raised"),
        ],
    ),
    check_loudness: (
        [
            lambda m, x: ((m(x) - x).norm() / x.norm()).item(),
            lambda m, x: size(m(x) - x) / size(x),
        ],
        [
            (lambda m, x: size(m(x)) / size(x), "comes along"),
            (lambda m, x: size(m(x) - x), "divide by that of x"),
            (lambda m, x: size(x) / size(m(x) - x), "upside down"),
            (lambda m, x: (size(m(x) - x) / size(x)) ** 2, "root is missing"),
            (lambda m, x: m.lam.item(), "This is lambda"),
            (lambda m, x: abs(m.lam.item()), "size of lambda"),
            (lambda m, x: size(m(x) - x) / size(x) / m.lam.abs().item(), "before lambda"),
            (lambda m, x: size(m(x) - x) / size(m(x)), "with the output"),
            (lambda m, x: (m(x) - x).abs().mean() / x.abs().mean(), "mean absolute"),
            (lambda m, x: 0.0, "expected"),
        ],
    ),
}
