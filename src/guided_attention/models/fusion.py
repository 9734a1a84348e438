"""Multi-scale fusion: four feature maps become one (Fig. 1 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.models.brick import ConvNormAct

__all__ = ["MultiScaleFusion"]


class MultiScaleFusion(nn.Module):
    """Bring the features of all scales to one width and one resolution, and fuse them.

    F'_s: 1x1 convolution, batch norm, PReLU, then bilinear interpolation to the resolution of scale 0.
    F_MS = conv([F'_0, F'_1, F'_2, F'_3]), here a 3x3 convolution with batch norm and PReLU.

    Parameters
    ----------
    in_channels : sequence of int
        Channels of the backbone's maps, finest first.
    channels : int
        Common number of channels C (the paper's code: 64).

    Notes
    -----
    Input: a list of (B, in_channels[s], h_s, w_s). Output: the list of F'_s and F_MS, all (B, C, h_0, w_0).
    Built in the chapter *Four scales, one map*.
    """

    def __init__(self, in_channels: Sequence[int], channels: int = 64) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(ConvNormAct(c, channels, size=1) for c in in_channels)
        self.fuse = ConvNormAct(channels * len(in_channels), channels)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Return (F'_0 .. F'_3, F_MS)."""
        size = features[0].shape[2:]
        reduced = [
            functional.interpolate(reduce(f), size=size, mode="bilinear", align_corners=False)
            for reduce, f in zip(self.reduce, features, strict=True)
        ]
        return reduced, self.fuse(torch.cat(reduced, dim=1))
