"""Checkers for the exercises of the chapter *Four scales, one map*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.models.blocks import enlarge
from guided_attention.teaching.feedback import Feedback, checker, judge, module_result

__all__ = ["check_bottleneck", "check_multiplications", "check_shrunk", "check_top_down"]


@checker
def check_multiplications(multiplications: Callable[[int, int, int, int], tuple[int, int]]) -> Feedback:
    """Check what a 1x1 convolution costs before and after enlargement, ``multiplications(inputs, outputs, n, size)``.

    From ``n`` x ``n`` positions to ``size`` x ``size``; two numbers: convolution first, enlargement first.
    """
    for inputs, outputs, n, size in ((256, 32, 4, 32), (2048, 64, 8, 64), (6, 5, 3, 9)):
        found = multiplications(inputs, outputs, n, size)
        first, last = inputs * outputs * n * n, inputs * outputs * size * size
        known = {
            "The two are the other way round: asked for was first what it costs to reduce first.": (last, first),
            "A position costs inputs * outputs multiplications; these count the positions only.": (n * n, size * size),
            "A map has n * n positions, not n.": (inputs * outputs * n, inputs * outputs * size),
            "A 1x1 convolution multiplies: each of the outputs needs all of the inputs.": (
                (inputs + outputs) * n * n,
                (inputs + outputs) * size * size,
            ),
            "That is a 3x3 convolution; one of 1x1 looks at a single position.": (9 * first, 9 * last),
        }
        why = next((words for words, numbers in known.items() if found == numbers), "")
        call = f"multiplications({inputs}, {outputs}, {n}, {size})"
        if found != (first, last):
            return Feedback(False, f"{call} gave {found[0]:g} and {found[1]:g}. {why}".rstrip())
    return Feedback(True, "Each halving of the map that one waits with the enlargement saves three quarters.")


@checker
def check_shrunk(shrunk: Callable[[Tensor, int, int], Tensor]) -> Feedback:
    """Check the way back from an enlarged map, ``shrunk(x, h, w)``: (B, C, H, W) -> (B, C, h, w), exactly."""
    for b, c, (h, w), size in ((2, 3, (4, 4), (32, 32)), (1, 2, (3, 5), (9, 20)), (1, 2, (5, 3), (20, 9))):
        coarse = torch.randn((b, c, h, w), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        x = enlarge(coarse, size)
        known = {
            "This is every so-manieth pixel. Hardly a fine pixel lies exactly on a coarse one; most are mixtures.": x[
                :, :, :: size[0] // h, :: size[1] // w
            ],
            "These are averages over blocks. They blur once more what was blurred; solve for what was enlarged.": (
                functional.adaptive_avg_pool2d(x, (h, w))
            ),
            "Interpolating back mixes the mixtures. Enlargement is a matrix; what undoes it?": enlarge(x, (h, w)),
            "Rows and columns changed places.": coarse.transpose(2, 3),
            "This is the enlarged map as it came.": x,
        }
        found = shrunk(x.clone(), h, w)
        verdict = judge(found, coarse, known, "All is back, so nothing was added: the large map said no more.")
        if not verdict:
            break
    return verdict


@checker
def check_top_down(top_down: Callable[[Sequence[Tensor]], Tensor]) -> Feedback:
    """Check the other way to fuse, ``top_down(maps)``: maps of C channels, finest first; result as large as the finest.

    From the coarsest on: enlarge to the size of the next finer map, add it, go on.
    """
    for sizes in (((12, 8), (6, 4), (3, 2)), ((8, 8), (4, 4)), ((16, 8), (8, 4), (4, 2), (2, 1))):
        generator = torch.Generator().manual_seed(0)
        maps = [torch.randn((2, 3, *size), generator=generator, dtype=torch.float64) for size in sizes]
        right, nearest = maps[-1], maps[-1]
        for finer in maps[-2::-1]:
            size = tuple(finer.shape[2:])
            right = enlarge(right, size) + finer
            nearest = functional.interpolate(nearest, size=size) + finer
        at_once = [enlarge(one, sizes[0]) for one in maps]
        known = {
            "You enlarged by repeating pixels; bilinear enlargement mixes neighbours.": nearest,
            "This enlarges each map to the finest in one leap. Go from map to map: enlarge, add, enlarge again.": sum(
                at_once
            ),
            "Only the two finest maps are in this sum; what comes from further up has to be carried along.": maps[0]
            + enlarge(maps[1], sizes[0]),
            "The maps were laid side by side, as the paper does; here they are added.": torch.cat(at_once, dim=1),
            "This is the finest map alone.": maps[0],
            "This is the coarsest map, enlarged; the finer ones are missing.": at_once[-1],
            "This is a mean; the maps are added.": right / len(maps),
        }
        found = top_down([one.clone() for one in maps])
        if len(maps) == 2:  # one step is a leap, and the two finest are all
            known = {why: result for why, result in known.items() if "leap" not in why and "Only the two" not in why}
        verdict = judge(found, right, known, "That is a feature pyramid: what the coarse maps know flows down.")
        if not verdict:
            break
    return verdict


@checker
def check_bottleneck(bottleneck: Callable[[int, int], nn.Module]) -> Feedback:
    """Check the block of ResNet-101, ``bottleneck(inputs, width)``: an `nn.Module`, (B, inputs, h, w) to 4 width.

    1x1 to ``width``, 3x3, 1x1 to 4 ``width`` channels, each with batch norm, around a shortcut, which is a 1x1
    convolution with batch norm where ``inputs`` is not 4 ``width``. Neither order nor names count: weights are given
    by shape.
    """
    for inputs, width in ((12, 3), (6, 2), (20, 5)):
        module = bottleneck(inputs, width)
        verdict = _bottleneck(module, inputs, width)
        if not verdict:
            break
    return verdict


def _bottleneck(module: nn.Module, inputs: int, width: int) -> Feedback:
    call, outputs = f"bottleneck({inputs}, {width})", 4 * width
    shapes = [(width, inputs, 1, 1), (width, width, 3, 3), (outputs, width, 1, 1)]
    shapes += [(outputs, inputs, 1, 1)] * (inputs != outputs)
    found = sorted(tuple(p.shape) for p in module.parameters() if p.dim() == 4)
    if found != sorted(shapes):
        return Feedback(False, f"{call} has convolutions with weights {found}; expected {sorted(shapes)}.")
    if any(conv.bias is not None for conv in module.modules() if isinstance(conv, nn.Conv2d)):
        return Feedback(False, "A bias before batch norm is taken away again: bias=False.")
    norms = [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm2d)]
    if len(norms) != len(shapes):
        return Feedback(False, f"{call} has {len(norms)} batch norms for {len(shapes)} convolutions.")
    weights = _fill(module)
    x = torch.randn((2, inputs, 5, 4), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        result = module_result(module.double().eval(), x)
    if isinstance(result, Feedback):
        return result
    first, middle, last = (weights[shape] for shape in shapes[:3])
    shortcut = x if inputs == outputs else _normalised(functional.conv2d(x, weights[shapes[3]]))

    def body(x: Tensor, inner: Callable[[Tensor], Tensor] = torch.relu) -> Tensor:
        y = inner(_normalised(functional.conv2d(x, first)))
        y = inner(_normalised(functional.conv2d(y, middle, padding=1)))
        return _normalised(functional.conv2d(y, last))

    right = (body(x) + shortcut).relu()
    known = {
        "The shortcut is missing: y = max(0, x + r(x)).": body(x).relu(),
        "The last ReLU is missing: it comes after the sum.": body(x) + shortcut,
        "The last ReLU comes after the sum, not before it: a correction must be able to take away.": body(x).relu()
        + shortcut,
        "There are no ReLUs between the convolutions: three linear maps in a row are one.": (
            body(x, lambda y: y) + shortcut
        ).relu(),
    }
    return judge(result, right, known, "Thin in the middle: the 3x3 convolution sees a quarter of the channels.")


def _fill(module: nn.Module) -> dict[tuple[int, ...], Tensor]:
    """Give convolutions of a shape the same weights, all batch norms the same numbers; return the former by shape."""
    weights = {}
    for one in module.modules():
        if isinstance(one, nn.Conv2d):
            shape = tuple(one.weight.shape)
            generator = torch.Generator().manual_seed(sum(shape))
            weights[shape] = torch.randn(shape, generator=generator, dtype=torch.float64) / shape[1] ** 0.5
            one.weight.data = weights[shape].clone()
        elif isinstance(one, nn.BatchNorm2d):
            nn.init.constant_(one.weight, 0.5)
            nn.init.constant_(one.bias, 0.25)
    return weights


def _normalised(x: Tensor) -> Tensor:
    """What batch norm makes of x when its statistics are fresh (mean 0, variance 1) and `_fill` filled it."""
    return 0.5 * x / (1 + 1e-5) ** 0.5 + 0.25
