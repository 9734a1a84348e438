"""Checkers for the exercises of the chapter *The baseline and the family*."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from guided_attention.teaching.feedback import Feedback, checker

__all__ = ["check_channel_mask", "check_field", "check_map_mebibytes", "check_silence"]

Layer = tuple[int, int, int]

_RESNET18: list[Layer] = [(7, 2, 1), (3, 2, 1), *[(3, 1, 1)] * 4]
for _ in range(3):
    _RESNET18 += [(3, 2, 1), *[(3, 1, 1)] * 3]


@checker
def check_field(field: Callable[[Sequence[Layer]], int]) -> Feedback:
    """Check a receptive field, ``field(layers)`` for a list of (kernel, stride, dilation), first layer first."""
    cases: list[tuple[list[Layer], int, str]] = [
        ([], 1, "Without a layer a pixel hears itself: 1."),
        ([(3, 1, 1)], 3, "One 3x3 convolution hears a pixel to either side, and the middle."),
        ([(3, 1, 1)] * 10, 21, "Each further one adds two."),
        ([(3, 1, 2)], 5, "Dilation pulls the kernel apart: it adds dilation * (kernel - 1)."),
        ([(2, 2, 1)], 2, "A layer's own stride does not widen what it hears itself, only what the later ones do."),
        ([(2, 2, 1), (3, 1, 1)], 6, "After a stride of 2 each step of the kernel is two pixels of the image."),
        ([(2, 2, 1), (2, 2, 1), (3, 1, 1)], 12, "Strides multiply: after two of 2, a step is four pixels."),
        (_RESNET18, 435, "These are the layers of ResNet-18."),
    ]
    for layers, expected, why in cases:
        found = field(list(layers))
        if found != expected:
            shown = str(layers) if len(layers) < 4 else f"{layers[0]}, ... ({len(layers)} layers)"
            return Feedback(False, f"field({shown}) gave {found}, expected {expected}. {why}")
    return Feedback(True, "Each layer adds dilation * (kernel - 1) steps, as wide as the strides before it say.")


@checker
def check_channel_mask(weigh: Callable[[Tensor, Tensor], Tensor]) -> Feedback:
    """Check the mask of DAF at work, ``weigh(scores, fused)``: both and the result are (B, C, h, w)."""
    generator = torch.Generator().manual_seed(0)
    scores, fused = (torch.randn(2, 4, 3, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    found = weigh(scores.clone(), fused.clone())
    if not isinstance(found, Tensor) or found.shape != fused.shape:
        what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        return Feedback(False, f"The result is {what}; it should be (B, C, h, w) = {tuple(fused.shape)}.")
    everywhere = scores.flatten(2).softmax(2).view_as(scores)
    mistakes = {
        "The softmax ran over the positions: each channel adds up to 1, where each position should.": everywhere,
        "The softmax ran over the batch: one image now changes another. Channels are dimension 1.": scores.softmax(0),
        "The softmax ran over the rows of the map; channels are dimension 1.": scores.softmax(2),
        "The softmax ran over the columns of the map; channels are dimension 1.": scores.softmax(3),
        "A sigmoid weighs each channel by itself; a softmax makes them compete for a sum of 1.": scores.sigmoid(),
    }
    mask = scores.softmax(1)
    if torch.allclose(found, mask * fused):
        return Feedback(True, "At each position the channels share a weight of 1.")
    if torch.allclose(found, mask):
        return Feedback(False, "This is the mask; it still has to multiply the fused features.")
    if torch.allclose(found, mask * fused + fused):
        return Feedback(False, "You added the fused features again; DAF only multiplies.")
    for message, wrong in mistakes.items():
        if torch.allclose(found, wrong * fused):
            return Feedback(False, message)
    off = (found - mask * fused).abs().max().item()
    return Feedback(False, f"The result is off by up to {off:.2g}. Softmax over dimension 1, then multiply.")


@checker
def check_map_mebibytes(mebibytes: Callable[[int, int, int], float]) -> Feedback:
    """Check the memory of attention maps, ``mebibytes(size, stride, modules)`` for one image, in float32."""
    found, (size, stride, modules) = mebibytes(256, 4, 8), (256, 4, 8)
    positions = (size // stride) ** 2
    right = modules * positions**2 * 4 / 2**20
    mistakes = {
        modules * positions * 4 / 2**20: "You counted N numbers; a map has one for each pair, N * N.",
        modules * positions**2 / 2**20: "These are millions of numbers; in float32 each takes 4 bytes.",
        modules * positions**2 * 4: "These are bytes; a mebibyte is 2**20 of them.",
        modules * positions**2 * 4 / 1e6: "These are megabytes, 10**6 bytes; a mebibyte is 2**20 bytes.",
        positions**2 * 4 / 2**20: "This is one module; how many are there?",
        modules * size**4 * 4 / 2**20: "The modules work at 1 / stride of the image's width and height.",
    }
    if abs(found - right) < 1e-6 * right:
        if abs(mebibytes(256, 8, 1) - 4) < 1e-6:
            return Feedback(True, "Half the stride is four times the positions and sixteen times the map.")
        return Feedback(False, "Right for stride 4 and 8 modules only; for stride 8 and one module it should be 4 MiB.")
    for wrong, message in mistakes.items():
        if abs(found - wrong) < 1e-6 * wrong:
            return Feedback(False, message)
    return Feedback(False, f"{found:.4g} for 256 pixels, stride 4 and 8 modules. How many positions has the map first?")


@partial(checker, in_place=True)
def check_silence(silence: Callable[[nn.Module], object]) -> Feedback:
    """Check ``silence(net)``, which changes a guided network in place so that it computes what MS-Dual does."""
    from guided_attention.models import build_model

    with torch.random.fork_rng():
        torch.manual_seed(0)
        guided = build_model("ms-dual-guided", backbone="resnet18", channels=8, semantic_widths=(4, 8, 8)).eval()
        plain = build_model("ms-dual", backbone="resnet18", channels=8).eval()
        x = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        for name, parameter in guided.named_parameters():
            if name.endswith("lam"):
                parameter.fill_(0.5)
    weights = guided.state_dict()
    plain.load_state_dict({key: weights[key] for key in plain.state_dict()})
    silence(guided)
    weights = guided.state_dict()
    changed = [key for key, value in plain.state_dict().items() if not torch.equal(value, weights[key])]
    if changed:
        return Feedback(False, f"{changed[0]} has changed, which MS-Dual has too. Touch what guidance added only.")
    gates: dict[tuple[int, int], Tensor] = {}
    for s, scale in enumerate(guided.scales):
        for t, gate in enumerate(scale.gates):
            gate.register_forward_hook(lambda _m, _i, out, key=(s, t): gates.__setitem__(key, out))
    with torch.no_grad():
        found, expected = guided.eval()(x).logits, plain(x).logits
    for (s, t), out in sorted(gates.items()):
        if out.abs().max() == 0:
            return Feedback(False, f"The gate of scale {s}, step {t + 1} is 0: attention is mute, not unguided.")
        if not torch.allclose(out, torch.ones(())):
            low, high = out.min().item(), out.max().item()
            return Feedback(
                False,
                f"The gate of scale {s}, step {t + 1} is {low:.2g} to {high:.2g}. A factor that changes nothing is 1.",
            )
    if not torch.allclose(found, expected, rtol=1e-4, atol=1e-4):
        return Feedback(False, f"The logits still differ by {(found - expected).abs().max().item():.2g}.")
    return Feedback(True, "Guidance that says 1 everywhere is no guidance: the smaller network is inside.")
