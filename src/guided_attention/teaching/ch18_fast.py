"""Checkers for the exercises of the chapter *Making it fast*."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from guided_attention.teaching.feedback import Feedback, checker, judge, mistake

__all__ = ["check_fold", "check_least_seconds", "check_query_gradient", "check_speedup"]


@checker
def check_fold(fold: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]) -> Feedback:
    """Check a batch norm folded into a convolution, ``fold(w, gamma, beta, mean, var, eps)``."""
    for seed, width in ((0, 5), (1, 2)):
        verdict = _folded(fold, seed, width)
        if not verdict:
            break
    return verdict


def _folded(fold: Callable[..., Tensor], seed: int, width: int) -> Feedback:
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn((width, 3, 3, 3), generator=generator, dtype=torch.float64)
    gamma, beta, mean = torch.randn((3, width), generator=generator, dtype=torch.float64)
    var, eps = torch.rand(width, generator=generator, dtype=torch.float64) + 0.5, 0.1

    def joined(scale: Tensor, bias: Tensor) -> Tensor:
        return torch.cat([w.flatten(1) * scale[:, None], bias[:, None]], 1)

    scale = gamma / (var + eps).sqrt()
    known = {
        "Batch norm divides by the standard deviation, the root of var + eps.": joined(
            gamma / (var + eps), beta - mean * gamma / (var + eps)
        ),
        "The eps is missing under the root.": joined(gamma / var.sqrt(), beta - mean * gamma / var.sqrt()),
        "The mean is scaled, too, before it is taken away.": joined(scale, beta - mean),
        "The mean is taken away, not added.": joined(scale, beta + mean * scale),
        "The mean is missing: what batch norm takes away must go into the bias.": joined(scale, beta),
    }
    found = fold(w.clone(), gamma.clone(), beta.clone(), mean.clone(), var.clone(), eps)
    return judge(found, joined(scale, beta - mean * scale), known, "One convolution, the same numbers.")


@checker
def check_least_seconds(least_seconds: Callable[[float, float, float, float], float]) -> Feedback:
    """Check the time under the roof, ``least_seconds(operations, moved, peak, copied)``."""
    for operations, moved, peak, copied in ((200, 10, 100, 10), (20, 30, 100, 10), (7, 9, 2, 5)):
        products, memory = operations / peak, moved / copied
        found = least_seconds(operations, moved, peak, copied)
        right = max(products, memory)
        known = {
            f"{found:.3g} s is the sum: a machine fetches while it multiplies.": products + memory,
            f"{found:.3g} s is the faster of the two; the slower one is the limit.": min(products, memory),
            f"{found:.3g} is a speed; asked for is the time.": min(peak, copied * operations / moved),
        }
        otherwise = f"{operations} operations, {moved} bytes: found {found:.3g} s, expected {right:.3g}."
        if why := mistake(found, right, known, otherwise):
            return Feedback(False, why)
    return Feedback(True, "The slower of the two is the limit; hurry the other, and nothing changes.")


@checker
def check_speedup(speedup: Callable[[float, float], float]) -> Feedback:
    """Check how many times as fast the whole becomes, ``speedup(share, k)``."""
    for share, k in ((0.5, 4.0), (0.9, 3.0), (0.25, 10.0)):
        found, right = speedup(share, k), 1 / (1 - share + share / k)
        known = {
            f"{found:.3g} is the part's own; the rest takes as long as before.": k,
            f"{found:.3g} is a mean of speeds; times add up, speeds don't.": 1 - share + share * k,
            f"{found:.3g} is the time that is left; how many times as fast is one over it.": 1 / right,
        }
        if why := mistake(found, right, known, f"share {share}, k {k}: found {found:.3g}, expected {right:.3g}."):
            return Feedback(False, why)
    return Feedback(True, "What was left as it was soon is all that is left.")


@checker
def check_query_gradient(
    query_gradient: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor],
) -> Feedback:
    """Check one piece of the backward pass, ``query_gradient(q, k, v, out, lse, grad)`` -> (d, M).

    For M asking positions: q (d, M), out and grad (C, M), lse (M,); all N answer: k (d, N), v (C, N).
    """
    for d, c, m, n in ((3, 5, 4, 7), (2, 3, 6, 4)):
        verdict = _query_gradient(query_gradient, *map(_draw, ((d, m), (d, n), (c, n), (c, m)), range(4)))
        if not verdict:
            break
    return verdict


def _query_gradient(query_gradient: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, grad: Tensor) -> Feedback:
    q.requires_grad_()
    out = v @ (k.T @ q).softmax(0)
    (right,) = torch.autograd.grad(out, q, grad)
    q, out = q.detach(), out.detach()
    logits = k.T @ q
    lse = logits.logsumexp(0)
    weights, from_value = (logits - lse).exp(), v.T @ grad
    shared = (grad * out).sum(0)
    mistakes = {
        "The softmax is missing a term: when one weight grows the others shrink. Subtract the sum of grad * out over "
        "the channels before multiplying with the weights.": k @ (weights * from_value),
        "exp(logits) are not yet the weights: subtract lse first.": k @ (logits.exp() * (from_value - shared)),
        "The weights are missing: the softmax multiplies by them on the way back.": k @ (from_value - shared),
        "This has the opposite sign.": -right,
        "This is the gradient of the logits. One product with the keys is still missing.": weights
        * (from_value - shared),
        "The shared term is one number for each asking position: sum over channels only.": k
        @ (weights * (from_value - (grad * out).sum())),
    }
    praise = "The map was never stored, and the gradient is exact: lse is all that has to be remembered."
    return judge(query_gradient(q, k, v, out, lse, grad), right, mistakes, praise)


def _draw(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
