"""Checkers for the exercises of the chapter *Losses that agree too early*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_alike", "check_guided", "check_share_of_the_way"]


@checker
def check_guided(guided: Callable[[Sequence[tuple[Tensor, Tensor]]], float]) -> Feedback:
    """Check eq. 6 and 8, ``guided(latents)`` for pairs of (B, L, h, w), one pair for each scale."""
    g = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 4, 4), (2, 3, 2, 2), (2, 5, 1, 3))
    for count in (1, 3):
        pairs = [tuple(torch.randn(2, *shape, generator=g)) for shape in shapes[:count]]
        found = guided([(first.clone(), second.clone()) for first, second in pairs])
        means = [(first - second).square().mean().item() for first, second in pairs]
        sums = [(first - second).square().sum().item() for first, second in pairs]
        known = {
            "The scales are added up, not averaged (eq. 8).": sum(means) / count,
            "This is the literal sum of squares; only with means do the paper's weights balance the terms.": sum(sums),
            "This is the sum for each image; take the mean over all elements.": sum(s / 2 for s in sums),
            "This is the mean of absolute differences; eq. 6 squares.": sum(
                (first - second).abs().mean().item() for first, second in pairs
            ),
            "This is a root; eq. 6 is the squared norm.": sum(m**0.5 for m in means),
            "Only the first scale counts here; add up all of them.": means[0],
        }
        if why := mistake(found, sum(means), known, f"{found:.4f} for {count} scales, expected {sum(means):.4f}."):
            return Feedback(False, why)
    return Feedback(True, "Means within a scale, a sum over scales.")


@checker
def check_alike(alike: Callable[[Tensor], float]) -> Feedback:
    """Check the share of the variance that differs between images, ``alike(latents)`` for (B, L, h, w)."""
    g = torch.Generator().manual_seed(0)
    one = torch.randn(1, 2, 3, 3, generator=g)
    cases = {
        "equal latents": one.expand(4, -1, -1, -1),
        "a latent and its negative": torch.cat([one, -one]),
        "random latents with much in common": one + 0.5 * torch.randn(5, 2, 3, 3, generator=g),
        "other latents": 0.2 * one + torch.randn(3, 2, 3, 3, generator=g),
    }
    for name, latents in cases.items():
        found, z = alike(latents.clone()), latents.flatten(1)
        whole, apart = z.square().sum().item(), (z - z.mean(0)).square().sum().item()
        known = {
            "This is what the images have in common; the rest is wanted.": 1 - apart / whole,
            "This mean runs over the numbers of each image; the mean latent is the mean over images, axis 0.": (
                (z - z.mean(1, keepdim=True)).square().sum().item() / whole
            ),
            "One mean over everything was taken off; take off the mean latent, number by number.": (
                (z - z.mean()).square().sum().item() / whole
            ),
            "Not divided by the total: features that shrink would look like a collapse.": apart,
            "These are roots; variances add up, their roots do not.": (apart / whole) ** 0.5,
        }
        right = apart / whole
        if abs(found - right) < 1e-5:
            continue
        why = mistake(found, right, known, "") if right > 1e-6 else ""
        return Feedback(False, f"{name}: {found:.3f}, expected {right:.3f}. {why}".rstrip())
    return Feedback(True, "Near 0 the images have become one: a collapse, however well the losses look.")


@checker
def check_share_of_the_way(share: Callable[[float, float, int], float]) -> Feedback:
    """Check what is left beyond adding up, ``share_of_the_way(with_heads, final, heads)``."""
    for with_heads, final, heads in ((16.0, 1.0, 8), (3.0, 2.0, 4), (0.9, 0.1, 3)):
        found = share(with_heads, final, heads)
        known = {
            "This counts the heads as a strength of their own; divide by their number.": with_heads / final,
            "Upside down: more than 1 means more than counting.": heads * final / with_heads,
            "The final loss would have been heads times as large; you took it once, and divided by a difference.": (
                with_heads - heads * final
            ),
        }
        right = with_heads / (heads * final)
        otherwise = f"share_of_the_way({with_heads}, {final}, {heads}) gave {found:g}, expected {right:g}."
        if why := mistake(found, right, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "What is more than 1 is the shorter way.")
