"""What every network returns, so that one loop and one objective serve all of them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["SegmentationOutput"]


@dataclass(eq=False)
class SegmentationOutput:
    """The result of one forward pass.

    Parameters
    ----------
    logits : Tensor, (B, K, H, W)
        The network's final prediction before the softmax, at the resolution of its input.
    side_logits : tuple of Tensor, each (B, K, H, W)
        The predictions that deep supervision trains, each with a cross-entropy of its own (eq. 10). Empty for a
        network without deep supervision: then ``logits`` itself is trained.
    latents : tuple of (Tensor, Tensor)
        For each scale the two latents E_1(F_s) and E_2(F_SA) of the semantic encoders (eq. 6).
    reconstructions : tuple of (Tensor, Tensor)
        Pairs (input, reconstruction) of the semantic encoder-decoders: two for each scale (eq. 7).
    """

    logits: Tensor
    side_logits: tuple[Tensor, ...] = ()
    latents: tuple[tuple[Tensor, Tensor], ...] = ()
    reconstructions: tuple[tuple[Tensor, Tensor], ...] = ()
