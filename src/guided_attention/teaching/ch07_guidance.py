"""Checkers for the exercises of the chapter *The chaperone: semantic guidance*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.teaching.feedback import Feedback, checker, judge, mistake

__all__ = ["check_any_depth", "check_guidance_losses", "check_largest_of"]

_Pairs = Sequence[tuple[Tensor, Tensor]]


@checker
def check_any_depth(any_depth: Callable[[int, Sequence[int]], nn.Module]) -> Feedback:
    """Check an encoder-decoder of any depth, ``any_depth(channels, widths)``: x -> (latent, rebuilt).

    It may have any layers inside, as long as the shapes are right and nothing but the latent reaches the decoder.
    """
    for channels, widths in ((3, (4, 5)), (2, (4, 6, 8, 5))):
        verdict = _any_depth(any_depth, channels, widths)
        if not verdict:
            break
    return verdict


def _any_depth(any_depth: Callable[..., nn.Module], channels: int, widths: tuple[int, ...]) -> Feedback:
    torch.manual_seed(0)
    module, levels = any_depth(channels, widths), len(widths)
    factor = 2 ** (levels - 1)
    for h, w in ((4 * factor, 3 * factor), (4 * factor + 1, 3 * factor + 1)):
        x = torch.randn(2, channels, h, w)
        try:
            found = module(x)
        except (ArithmeticError, AttributeError, LookupError, NotImplementedError, RuntimeError, TypeError) as error:
            what = f"{type(error).__name__}: {error}"
            return Feedback(False, f"For x of shape {tuple(x.shape)} and widths {widths} the module raised {what}")
        if not (isinstance(found, tuple | list) and len(found) == 2 and all(isinstance(t, Tensor) for t in found)):
            return Feedback(False, "The module must return two tensors: the latent and the reconstruction.")
        shapes = [tuple(t.shape) for t in found]
        wanted = [(2, widths[-1], h // factor, w // factor), (2, channels, h, w)]
        for name, shape, right in zip(("latent", "reconstruction"), shapes, wanted, strict=True):
            if shape != right:
                return Feedback(
                    False,
                    f"For x of shape {tuple(x.shape)} and widths {widths} the {name} has the shape {shape}; expected "
                    f"{right}: {levels} levels have {levels - 1} poolings between them.",
                )
    return _nothing_but_the_latent(module.eval(), channels, factor)


def _nothing_but_the_latent(module: nn.Module, channels: int, factor: int) -> Feedback:
    """Tell whether the reconstruction depends on x otherwise than through a latent that pooling has coarsened."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
    n = 48 * factor
    stripes = (torch.arange(n) // (factor // 2 or 1)) % 2 * 2.0 - 1  # the same after `factor` positions
    middle = slice(20 * factor, 28 * factor)
    module = module.double()
    with torch.no_grad():
        x = stripes.double().expand(1, channels, n, n)
        latent, rebuilt = (t[0] for t in module(x))
        inner = rebuilt[:, middle, middle]
        cells = latent[:, 20:28, 20:28]
        other = module(torch.randn(1, channels, n, n, dtype=torch.float64))[1]
    if not (other - rebuilt).abs().max() > 1e-9:
        return Feedback(False, "The reconstruction is the same whatever x is.")
    if (cells - cells[:, :1, :1]).abs().max() > 1e-6 * cells.abs().max():
        return Feedback(False, "The latent of stripes varies from cell to cell: how was the map made smaller?")
    if (inner - inner[:, :1, :1]).abs().max() > 1e-6 * inner.abs().max():
        return Feedback(
            False,
            "Fine stripes came through, which the latent cannot hold: the decoder hears x past the bottleneck, by a "
            "skip.",
        )
    return Feedback(True, "Any depth, any size, and only what the latent holds comes back.")


@checker
def check_guidance_losses(losses: Callable[[_Pairs, _Pairs], tuple[float, float]]) -> Feedback:
    """Check eq. 6 to 9 as means, ``losses(latents, reconstructions)`` -> (guided, reconstruction)."""
    for scales, seed in ((4, 0), (3, 1)):
        verdict = _guidance_losses(losses, scales, seed)
        if not verdict:
            break
    return verdict


def _guidance_losses(losses: Callable[..., tuple[float, float]], scales: int, seed: int) -> Feedback:
    g = torch.Generator().manual_seed(seed)

    def pairs(count: int, *shape: int) -> list[tuple[Tensor, Tensor]]:
        return [(torch.randn(shape, generator=g), torch.randn(shape, generator=g)) for _ in range(count)]

    latents, reconstructions = pairs(scales, 2, 6, 2, 3), pairs(2 * scales, 2, 4, 8, 12)
    kinds = latents, reconstructions
    right = torch.tensor([sum((a - b).square().mean() for a, b in kind) for kind in kinds])
    mistakes = {
        "The squares were summed; the book takes their mean over the elements of each map.": torch.tensor(
            [sum((a - b).square().sum() for a, b in kind) for kind in kinds]
        ),
        "This is the mean over scales; eq. 8 and 9 sum over them.": right / scales,
        "This is the mean over all pairs; eq. 8 and 9 sum.": right / torch.tensor([scales, 2 * scales]),
        "These are norms, not their squares.": torch.tensor([sum((a - b).norm() for a, b in kind) for kind in kinds]),
        "These are mean absolute differences; the equations square.": torch.tensor(
            [sum((a - b).abs().mean() for a, b in kind) for kind in kinds]
        ),
        "These are the terms of one scale only.": torch.stack(
            [sum((a - b).square().mean() for a, b in kind[:part]) for kind, part in zip(kinds, (1, 2), strict=True)]
        ),
        "The guided loss comes first, the reconstruction loss second.": right.flip(0),
        "The weights beta and gamma belong to eq. 11, not in here.": right * torch.tensor([0.25, 0.1]),
    }
    found = torch.tensor(losses(latents, reconstructions))
    otherwise = f"Expected {right[0]:.4f} and {right[1]:.4f}, found {found[0]:.4f} and {found[1]:.4f}."
    why = mistake(found, right, mistakes, otherwise)
    return Feedback(not why, why or "Two losses without a label.")


@checker
def check_largest_of(largest_of: Callable[[Tensor, int], Tensor]) -> Feedback:
    """Check max pooling of any size, ``largest_of(x, size)``: (B, C, h, w) -> (B, C, h // size, w // size)."""
    for size, shape, seed in ((2, (2, 3, 6, 8), 0), (3, (2, 3, 9, 6), 1), (3, (1, 2, 8, 13), 2)):
        (x,) = (torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64),)
        verdict = _largest_of(largest_of, x, size)
        if not verdict:
            break
    return verdict


def _largest_of(largest_of: Callable[[Tensor, int], Tensor], x: Tensor, size: int) -> Feedback:
    right = functional.max_pool2d(x, size)
    cut = x[..., : right.shape[2] * size, : right.shape[3] * size]
    mistakes = {
        "This is the mean of each square, not its largest number.": functional.avg_pool2d(x, size),
        "This is the first number of each square.": cut[..., ::size, ::size],
        "These are the smallest numbers.": -functional.max_pool2d(-x, size),
        "Squares overlap: they should lie side by side.": functional.max_pool2d(x, size, stride=1)[
            ..., : right.shape[2], : right.shape[3]
        ],
        "The squares were cut from the far edges; begin at the first row and column.": functional.max_pool2d(
            x[..., x.shape[2] % size :, x.shape[3] % size :], size
        ),
        "The square of the last rows or columns is not whole: leave it out.": functional.max_pool2d(
            x, size, ceil_mode=True
        ),
        "These are the largest absolute values; asked for were the largest numbers.": functional.max_pool2d(
            x.abs(), size
        ),
    }
    return judge(largest_of(x, size), right, mistakes, "The largest of each square, and no square that is not whole.")
