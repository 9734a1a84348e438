"""Checkers for the exercises of the chapter *The baseline and the family*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_budget", "check_field", "check_map_mebibytes", "check_silence"]

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
def check_budget(budget: Callable[[Tensor], int]) -> Feedback:
    """Check who shares a budget, ``budget(weights)``: the axis along which weights add up to 1 everywhere, or -1."""
    generator = torch.Generator().manual_seed(0)
    scores, asks = torch.randn(2, 5, 3, 4, generator=generator), torch.randn(2, 12, 12, generator=generator)
    by_position = asks.softmax(2)
    uneven = scores.softmax(1) * torch.tensor([0.5, 1.5]).view(2, 1, 1, 1)  # adds up to 1 on average only
    cases: list[tuple[str, Tensor, int, str]] = [
        ("DAF's mask", scores.softmax(1), 1, "At each position the channels, axis 1, share it."),
        (
            "position attention",
            by_position,
            2,
            "Row j holds what j attends to: the answers, axis 2, share it. (On average a square map adds up to 1 along "
            "both axes; it must hold at every place.)",
        ),
        ("its transpose", by_position.mT, 1, "Now the answers are axis 1; which axis it is, only sums can tell."),
        ("a gate", scores[:, :1].sigmoid(), -1, "A gate may be open everywhere: no axis adds up to 1."),
        (
            "weights that add up to 1 as a whole",
            scores.flatten().softmax(0).view_as(scores),
            -1,
            "No single axis does.",
        ),
        ("weights that add up to 1 on average", uneven, -1, "It must hold at every place, not in the mean."),
        (
            "many channels",
            torch.rand(1, 4096, 2, 2, generator=generator).softmax(1),
            1,
            "Allow for float32's rounding.",
        ),
    ]
    for name, weights, expected, why in cases:
        found = budget(weights.clone())
        if found == expected - weights.ndim and expected > 0:
            return Feedback(False, f"{name}: {found} counts from the end; -1 already means none, so count from 0.")
        if found != expected:
            shape = tuple(weights.shape)
            return Feedback(False, f"{name}, shape {shape}: gave {found:g}, expected {expected}. {why}")
    return Feedback(True, "Ask of every attention who competes with whom: the shape does not say it, the sums do.")


@checker
def check_map_mebibytes(mebibytes: Callable[[int, int, int], float]) -> Feedback:
    """Check the memory of attention maps, ``mebibytes(size, stride, modules)`` for one image, in float32."""
    for size, stride, modules in ((256, 4, 8), (256, 8, 1), (96, 4, 3)):
        found, positions = mebibytes(size, stride, modules), (size // stride) ** 2
        right = modules * positions**2 * 4 / 2**20
        known = {
            "You counted N numbers; a map has one for each pair, N * N.": modules * positions * 4 / 2**20,
            "These are millions of numbers; in float32 each takes 4 bytes.": right / 4,
            "These are bytes; a mebibyte is 2**20 of them.": right * 2**20,
            "These are megabytes, 10**6 bytes; a mebibyte is 2**20 bytes.": right * 1.048576,
            "This is one module; how many are there?": right / modules,
            "The modules work at 1 / stride of the image's width and height.": right * stride**4,
        }
        otherwise = (
            f"{found:.4g} for size {size}, stride {stride} and modules: {modules}; expected {right:.4g} MiB. How many "
            "positions has the map first?"
        )
        if why := mistake(found, right, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "Half the stride is four times the positions and sixteen times the map.")


@checker
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
    changed = [
        key for key, value in plain.state_dict().items() if key not in weights or not torch.equal(value, weights[key])
    ]
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
