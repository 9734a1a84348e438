"""Right and wrong answers to the exercises of `chapters/07_guidance.md`."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from guided_attention.models.guidance import SemanticAutoencoder
from guided_attention.teaching import check_any_depth, check_guidance_losses, check_largest_of


class Depth(nn.Module):
    def __init__(self, channels, widths, *, skip=False, doubled=False, pool=2, returns=2):
        super().__init__()
        both = [channels, *widths]
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(both, widths, strict=False))
        self.up = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[0], channels, 1)
        self.skip, self.doubled, self.pool, self.returns = skip, doubled, pool, returns

    def forward(self, x):
        y, sizes = x, []
        for level, conv in enumerate(self.down):
            if level:
                sizes.append(y.shape[2:])
                y = functional.max_pool2d(y, self.pool)
            y = conv(y).relu()
        latent = y
        for conv in reversed(self.up):
            size = sizes.pop()
            y = functional.interpolate(y, scale_factor=2) if self.doubled else functional.interpolate(y, size=size)
            y = conv(y).tanh()
        rebuilt = self.last(y) + (x if self.skip else 0)
        return (latent, rebuilt)[: self.returns] if self.returns > 1 else rebuilt


def by_layers(channels, widths):
    """Average pooling, norms, and one function instead of a class of its own."""
    module = Depth(channels, widths)
    for number, conv in enumerate(module.down):
        module.down[number] = nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.PReLU())
    return module


class Deaf(Depth):
    def forward(self, x):
        latent, rebuilt = super().forward(x)
        return latent, 0 * rebuilt


class Strided(Depth):
    def forward(self, x):
        latent, rebuilt = super().forward(x)
        return latent + torch.arange(latent.shape[3]), rebuilt


def losses(latents, reconstructions, size=lambda d: d.square().mean()):
    return tuple(sum(size(a - b) for a, b in pairs) for pairs in (latents, reconstructions))


def by_library(latents, reconstructions):
    return [sum(float(functional.mse_loss(*pair)) for pair in pairs) for pairs in (latents, reconstructions)]


def largest(x, size):
    h, w = (n // size for n in x.shape[2:])
    squares = x[..., : h * size, : w * size].unflatten(3, (w, size)).unflatten(2, (h, size))
    return squares.amax((3, 5))


def unfolded(x, size):
    return x.unfold(2, size, size).unfold(3, size, size).amax((4, 5))


ANSWERS = {
    check_any_depth: (
        [Depth, by_layers, lambda channels, widths: Depth(channels, widths).float()],
        [
            (lambda c, w: Depth(c, w, skip=True), "by a skip"),
            (lambda c, w: Depth(c, w, doubled=True), r"reconstruction has the shape .*; expected"),
            (lambda c, w: Depth(c, w, pool=3), "latent has the shape"),
            (lambda c, w: Depth(c, w, returns=1), "two tensors"),
            (lambda c, w: Depth(c, (*w, w[-1])), "latent has the shape"),
            (Deaf, "whatever x is"),
            (Strided, "varies from cell to cell"),
            (lambda c, w: SemanticAutoencoder(c, (4, 5, 5)), "1 poolings"),
            (lambda c, w: nn.Conv2d(7, 7, 3), "the module raised RuntimeError"),
        ],
    ),
    check_guidance_losses: (
        [losses, by_library],
        [
            (lambda a, b: losses(a, b, lambda d: d.square().sum()), "were summed"),
            (lambda a, b: [x / len(a) for x in losses(a, b)], "over scales"),
            (lambda a, b: [x / y for x, y in zip(losses(a, b), (len(a), len(b)), strict=True)], "over all pairs"),
            (lambda a, b: losses(a, b, lambda d: d.norm()), "not their squares"),
            (lambda a, b: losses(a, b, lambda d: d.abs().mean()), "absolute"),
            (lambda a, b: losses(a[:1], b[:2]), "one scale only"),
            (lambda a, b: losses(b, a), "comes first"),
            (lambda a, b: [x * y for x, y in zip(losses(a, b), (0.25, 0.1), strict=True)], "eq. 11"),
            (lambda a, b: losses(a, b)[:1], "expected 2 numbers"),
            (lambda a, b: (0.0, 0.0), "found 0.0000"),
        ],
    ),
    check_largest_of: (
        [largest, unfolded],
        [
            (functional.avg_pool2d, "mean of each square"),
            (lambda x, n: x[..., : x.shape[2] // n * n : n, : x.shape[3] // n * n : n], "first number"),
            (lambda x, n: -largest(-x, n), "smallest"),
            (lambda x, n: functional.max_pool2d(x, n, 1)[..., : x.shape[2] // n, : x.shape[3] // n], "overlap"),
            (lambda x, n: largest(x[..., x.shape[2] % n :, x.shape[3] % n :], n), "far edges"),
            (lambda x, n: functional.max_pool2d(x, n, ceil_mode=True), "not whole"),
            (lambda x, n: largest(x.abs(), n), "absolute"),
            (lambda x, n: largest(x, 2), "shape"),
            (lambda x, n: x.reshape(*x.shape[:2], x.shape[2] // n, n, x.shape[3] // n, n).amax((3, 5)), "raised"),
        ],
    ),
}
