"""Right and wrong answers to the exercises of `chapters/09_losses.md`."""

import torch
from torch.nn.functional import l1_loss, mse_loss

from guided_attention.teaching import check_alike, check_guided, check_share_of_the_way


def by_loop(latents):
    total = 0.0
    for first, second in latents:
        total += float(((first - second) ** 2).sum()) / first.numel()
    return total


def alike(latents):
    z = latents.flatten(1).double()
    return ((z - z.mean(0)) ** 2).sum() / (z**2).sum()


def by_images(latents):
    mean = sum(latents) / len(latents)
    return sum(((z - mean) ** 2).sum().item() for z in latents) / sum((z**2).sum().item() for z in latents)


def about(latents, mean):
    z = latents.flatten(1)
    return (z - mean(z)).square().sum() / z.square().sum()


ANSWERS = {
    check_guided: (
        [lambda latents: sum(mse_loss(a, b) for a, b in latents), by_loop],
        [
            (lambda latents: by_loop(latents) / len(latents), "added up, not averaged"),
            (lambda latents: sum((a - b).square().sum() for a, b in latents), "literal sum"),
            (lambda latents: sum((a - b).square().sum() / len(a) for a, b in latents), "for each image"),
            (lambda latents: sum(l1_loss(a, b) for a, b in latents), "absolute"),
            (lambda latents: sum(mse_loss(a, b).sqrt() for a, b in latents), "a root"),
            (lambda latents: mse_loss(*latents[0]), "Only the first scale"),
            (lambda latents: torch.tensor(0.0), "expected"),
        ],
    ),
    check_alike: (
        [alike, by_images],
        [
            (lambda z: 1 - alike(z), "equal latents: 1.000, expected 0.000"),
            (lambda z: about(z, lambda z: z.mean(1, keepdim=True)), "equal latents"),
            (lambda z: about(z, lambda z: z.mean()), "equal latents"),
            (lambda z: z.flatten(1).sub(z.flatten(1).mean(0)).square().sum(), "Not divided by the total"),
            (lambda z: alike(z).sqrt(), "These are roots"),
            (lambda z: 1 - alike(z) if alike(z) > 1e-9 and len(z) > 2 else alike(z), "in common; the rest"),
        ],
    ),
    check_share_of_the_way: (
        [lambda sides, final, heads: sides / final / heads, lambda sides, final, heads: sides / (heads * final)],
        [
            (lambda sides, final, heads: sides / final, "divide by their number"),
            (lambda sides, final, heads: heads * final / sides, "Upside down"),
            (lambda sides, final, heads: sides - heads * final, "difference"),
            (lambda sides, final, heads: 2.0, "expected"),
        ],
    ),
}
