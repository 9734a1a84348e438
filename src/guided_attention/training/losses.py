"""The objective, eq. 6 to 11 of the paper: one function for each equation.

Built in the chapter *Losses that agree too early*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from guided_attention.errors import SettingsError, require_choice
from guided_attention.models.output import SegmentationOutput

__all__ = [
    "LossWeights",
    "Objective",
    "guided_loss",
    "objective",
    "reconstruction_loss",
    "segmentation_loss",
    "total_guided_loss",
    "total_reconstruction_loss",
]

Reduction = Literal["mean", "sum"]
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class LossWeights:
    """Weights and conventions of eq. 11.

    Parameters
    ----------
    alpha, beta, gamma : float
        Weights of the segmentation, guided and reconstruction loss (the paper: 1, 0.25, 0.1).
    reduction : {"mean", "sum"}
        How the squared distances of eq. 6 and 7 add up over the elements of one image. ``"sum"`` is the literal
        squared norm; ``"mean"`` divides by the number of elements, as the released code does. The default is the
        mean: only with it do the paper's weights balance the terms (as sums the two regularisers start some 10,000
        times above the cross-entropy).
    stop_gradient : bool
        True keeps the gradient of eq. 6 out of E_1 and that of eq. 7 out of the features rebuilt, so that neither
        loss can be lowered by shrinking its target. The paper does not say and the released code does not stop it:
        False.
    dice : float
        Weight, beside the cross-entropy of each supervised prediction, of its soft Dice loss over the organs (MONAI's,
        the pixels of a batch pooled). The paper has none: 0.
    """

    alpha: float = 1.0
    beta: float = 0.25
    gamma: float = 0.1
    reduction: Reduction = "mean"
    stop_gradient: bool = False
    dice: float = 0.0

    def __post_init__(self) -> None:
        require_choice("reduction", self.reduction, get_args(Reduction))
        for name in ("alpha", "beta", "gamma", "dice"):
            if not getattr(self, name) >= 0:
                raise SettingsError(f"LossWeights: {name}={getattr(self, name)} must not be negative.")


@dataclass(frozen=True, eq=False)
class Objective:
    """Eq. 11 and its unweighted terms; each a scalar Tensor."""

    total: Tensor
    segmentation: Tensor
    guided: Tensor
    reconstruction: Tensor


def _at_least_float32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _squared_distance(a: Tensor, b: Tensor, reduction: Reduction) -> Tensor:
    """Squared distance of each image, averaged over the batch; over the elements too if reduction is mean."""
    total = _MeanSquare.apply(a, b)
    return total if reduction == "mean" else total * a[0].numel()


class _MeanSquare(torch.autograd.Function):
    """The mean squared difference, in single precision of maps in half precision.

    It keeps the two maps as they are, which others keep anyway, and one difference serves both gradients.
    """

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return torch.linalg.vector_norm(_at_least_float32(a) - b).square() / a.numel()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        towards = (a - b).mul_(grad * (2 / a.numel()))
        first, second = ctx.needs_input_grad
        return towards.to(a.dtype) if first else None, (-towards).to(b.dtype) if second else None


def guided_loss(first: Tensor, second: Tensor, weights: LossWeights = LossWeights()) -> Tensor:
    """Eq. 6, one scale: the latents of both steps agree.

    Parameters
    ----------
    first, second : Tensor, (B, L, h, w)
        E_1(F_s) and E_2(F_SA).
    weights : LossWeights
        Its ``reduction`` and ``stop_gradient`` (which holds ``first`` fixed) apply.
    """
    return _squared_distance(first.detach() if weights.stop_gradient else first, second, weights.reduction)


def reconstruction_loss(pairs: Sequence[Pair], weights: LossWeights = LossWeights()) -> Tensor:
    """Eq. 7, one scale: what the decoders rebuild is close to what the encoders got.

    Parameters
    ----------
    pairs : sequence of (Tensor, Tensor)
        (F, its reconstruction) and (F_SA, its reconstruction), (B, C, h, w) each.
    weights : LossWeights
        Its ``reduction`` and ``stop_gradient`` (which holds F and F_SA fixed) apply.
    """
    return sum(
        _squared_distance(given.detach() if weights.stop_gradient else given, rebuilt, weights.reduction)
        for given, rebuilt in pairs
    )


def total_guided_loss(latents: Sequence[Pair], weights: LossWeights = LossWeights()) -> Tensor:
    """Eq. 8: eq. 6 summed over the scales."""
    return sum(guided_loss(first, second, weights) for first, second in latents)


def total_reconstruction_loss(pairs: Sequence[Pair], weights: LossWeights = LossWeights()) -> Tensor:
    """Eq. 9: eq. 7 summed over the scales (all pairs of all scales in one sequence)."""
    return reconstruction_loss(pairs, weights)


def segmentation_loss(predictions: Sequence[Tensor], labels: Tensor, weights: LossWeights = LossWeights()) -> Tensor:
    """Eq. 10: the cross-entropies of all supervised predictions, summed; with soft Dice where it has a weight.

    Parameters
    ----------
    predictions : sequence of Tensor, (B, K, H, W)
        Logits of F'_s and A_s of every scale.
    labels : Tensor of int64, (B, H, W)
        Class of each pixel.
    weights : LossWeights
        Its ``dice`` applies.
    """
    entropy = sum(functional.cross_entropy(_at_least_float32(logits), labels) for logits in predictions)
    if not weights.dice:
        return entropy
    from monai.losses import DiceLoss  # heavy, and not on every machine that trains

    dice = DiceLoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    return entropy + weights.dice * sum(dice(_at_least_float32(logits), labels[:, None]) for logits in predictions)


def objective(
    output: SegmentationOutput,
    labels: Tensor,
    weights: LossWeights = LossWeights(),
) -> Objective:
    """Eq. 11: alpha L_Seg + beta L_G + gamma L_Rec.

    Serves every network: one without side predictions is trained on its logits alone, one without guidance has no
    second and third term.

    Parameters
    ----------
    output : SegmentationOutput
        From a network in training mode (the multi-scale family returns side predictions only then).
    labels : Tensor of int64, (B, H, W)
        Class of each pixel.
    weights : LossWeights
        The weights and conventions.
    """
    segmentation = segmentation_loss(output.side_logits or (output.logits,), labels, weights)
    zero = segmentation.new_zeros(())
    guided = total_guided_loss(output.latents, weights) if output.latents else zero
    rebuilt = total_reconstruction_loss(output.reconstructions, weights) if output.reconstructions else zero
    total = weights.alpha * segmentation + weights.beta * guided + weights.gamma * rebuilt
    return Objective(total, segmentation, guided, rebuilt)
