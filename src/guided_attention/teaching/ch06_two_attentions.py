"""Checkers for the exercises of the chapter *Two attentions, twice*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from guided_attention.models.attention import ChannelAttention, PositionAttention
from guided_attention.teaching.feedback import Feedback, checker, judge, mistake, module_result

__all__ = ["check_loudness", "check_one_piece", "check_stacked"]

_Parts = Sequence[Callable[[Tensor], Tensor]]


@checker
def check_stacked(stacked: Callable[[Tensor, Tensor, _Parts, _Parts], Tensor]) -> Feedback:
    """Check any number of attention steps, ``stacked(raw, fused, entries, steps)`` -> A of the last, (B, C, h, w)."""
    for count, seed in ((2, 0), (3, 1)):
        verdict = _stacked(stacked, count, seed)
        if not verdict:
            break
    return verdict


def _stacked(stacked: Callable[..., Tensor], count: int, seed: int) -> Feedback:
    torch.manual_seed(seed)
    entries = [nn.Sequential(nn.Conv2d(8, 4, 1), nn.Tanh()).double().requires_grad_(False) for _ in range(count)]
    steps = [nn.Conv2d(4, 4, 3, padding=1).double().requires_grad_(False) for _ in range(count)]
    raw, fused = torch.randn(2, 2, 4, 5, 6, dtype=torch.float64)

    def run(mark: Callable[[Tensor, Tensor], Tensor], number: int = count, order: int = 1) -> Tensor:
        focus = fused
        for entry, step in list(zip(entries, steps, strict=True))[:number]:
            attention = step(entry(torch.cat([raw, focus][::order], dim=1)))
            focus = mark(attention, focus)
        return attention

    mistakes = {
        "These are the features of the first step: the loop ended too soon.": run(lambda a, _: a * fused, number=1),
        "The marks were added to the fused features; a mark multiplies.": run(lambda a, _: a + fused),
        "The marks multiplied the raw features. F'_s stays as it is, F_MS is marked.": run(lambda a, _: a * raw),
        "Each step got the attention features themselves where it should get their product with F_MS.": run(
            lambda a, _: a
        ),
        "Every step read the unmarked features: what became of the attention features of the step before?": run(
            lambda _, focus: focus
        ),
        "The raw features come first in the concatenation, the marked ones second.": run(
            lambda a, _: a * fused, order=-1
        ),
        "The third step read marks upon marks: multiply F_MS by the marks of the step before only.": run(
            lambda a, focus: a * focus
        ),
    }
    praise = "As many readings as you like, each with the marks of the one before."
    return judge(stacked(raw, fused, entries, steps), run(lambda a, _: a * fused), mistakes, praise)


@checker
def check_one_piece(one_piece: Callable[[nn.Conv2d, nn.BatchNorm2d], nn.Module]) -> Feedback:
    """Check a convolution and its batch norm made one, ``one_piece(conv, norm)`` -> nn.Conv2d with bias."""
    for inputs, outputs, size in ((3, 4, 3), (5, 2, 1)):
        verdict = _one_piece(one_piece, inputs, outputs, size)
        if not verdict:
            break
    return verdict


def _one_piece(one_piece: Callable[..., nn.Module], inputs: int, outputs: int, size: int) -> Feedback:
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False).double()
    norm = nn.BatchNorm2d(outputs).double().eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor)
    norm.running_var.copy_(torch.logspace(-6, 0.5, outputs))  # the first is so small that eps counts
    x = torch.randn(2, inputs, 5, 6, dtype=torch.float64)
    kept = [t.clone() for t in (conv.weight, *norm.state_dict().values())]
    with torch.no_grad():
        y, right = conv(x), norm(conv(x))
        piece = one_piece(conv, norm)
        if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in piece.modules()):
            return Feedback(False, "The numbers may be right, but a batch norm is still inside: one convolution.")
        if any(not torch.equal(a, b) for a, b in zip(kept, (conv.weight, *norm.state_dict().values()), strict=True)):
            return Feedback(False, "conv or norm was changed: make a convolution of your own.")
        found = module_result(piece, x)
        if isinstance(found, Feedback):
            return found
        shift, mean, gain, var = (
            t[:, None, None] for t in (norm.bias, norm.running_mean, norm.weight, norm.running_var)
        )
        std = (var + norm.eps).sqrt()
        mistakes = {
            "This is the convolution alone: batch norm is missing.": y,
            "The bias is missing: norm.bias less the scaled running mean.": right - shift + mean / std * gain,
            "The running mean is missing from the bias.": right + mean / std * gain,
            "norm.bias is missing from the bias.": right - shift,
            "The running mean must be scaled like the weights before it leaves the bias.": y / std * gain
            + shift
            - mean,
            "norm.weight is missing.": (y - mean) / std + shift,
            "Divided by the variance; batch norm divides by its root.": (y - mean) / (var + norm.eps) * gain + shift,
            "norm.eps is missing beside the running variance.": (y - mean) / var.sqrt() * gain + shift,
        }
    return judge(found, right, mistakes, "One convolution instead of two operations, the same numbers.")


@checker
def check_loudness(loudness: Callable[[nn.Module, Tensor], float]) -> Feedback:
    """Check how much an attention module adds, ``loudness(attention, x)``: a share of the size of x."""
    torch.manual_seed(0)
    for module, lam in ((PositionAttention(8), -0.4), (ChannelAttention("scaled"), 0.7)):
        module = module.double().requires_grad_(False)
        module.lam.fill_(lam)
        x = 2 * torch.randn(3, 8, 5, 6, dtype=torch.float64) + 1
        verdict = _loudness(loudness, module, x)
        if not verdict:
            break
    return verdict


def _loudness(loudness: Callable[..., float], module: nn.Module, x: Tensor) -> Feedback:
    out, lam = module(x), module.lam.item()
    right = ((out - x).norm() / x.norm()).item()
    mistakes = {
        "This is the size of the whole output: the input, which comes along, must be taken away.": out.norm()
        / x.norm(),
        "This is the size of what was fetched; divide by that of x.": (out - x).square().mean().sqrt(),
        "The share is upside down.": 1 / right,
        "This is a ratio of squares: the root is missing.": right**2,
        "This is lambda. How loud it makes the module depends on the values.": lam,
        "This is the size of lambda. How loud it makes the module depends on the values.": abs(lam),
        "This is the share before lambda: a module with lambda = 0 says nothing.": right / abs(lam),
        "The difference was compared with the output; asked for was the share of the input.": (out - x).norm()
        / out.norm(),
        "These are mean absolute values; take the root of the mean square.": (out - x).abs().mean() / x.abs().mean(),
    }
    mistakes = {why: float(value) for why, value in mistakes.items()}
    found = loudness(module, x)
    why = mistake(found, right, mistakes, f"For x of shape {tuple(x.shape)} expected {right:.4g}, found {found:.4g}.")
    return Feedback(not why, why or "What was fetched, against what was there: that is how loud it speaks.")
