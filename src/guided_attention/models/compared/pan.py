"""PAN, the Pyramid Attention Network (Li et al. 2018): attention without comparing positions with each other.

The paper leaves open how wide pyramid and decoder are and which nonlinearity the gates have, and we know of no code by
its authors. There, this follows segmentation-models-pytorch: one attention weight for each pixel, 32 channels, the
sigmoid. That library takes maxima in the pyramid; this takes means, the better of the two in the paper's ablation.
MONAI has no PAN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.errors import require_choice
from guided_attention.models.backbone import ResNetFeatures
from guided_attention.models.blocks import NormOfFew, conv_norm_relu, enlarge, require_positive, require_size
from guided_attention.models.output import SegmentationOutput

__all__ = [
    "PAN",
    "FeaturePyramidAttention",
    "Gate",
    "GlobalAttentionUpsample",
    "Pyramid",
]

Pyramid = Literal["pixel", "feature"]
Gate = Literal["sigmoid", "relu"]
_KERNELS = (7, 5, 3)


class FeaturePyramidAttention(nn.Module):
    """FPA: a small U-shaped pyramid weights the features of the last map; what the whole image shows is added.

    ``conv1(x) * pyramid(x) + conv1(mean of x)``. The pyramid halves x three times, with a 7x7, 5x5 and 3x3 convolution
    on the way down, one more of the same size across, and sums on the way up. All convolutions have batch norm and
    ReLU.

    Parameters
    ----------
    in_channels, channels : int
        Channels of the input and of the output.
    pyramid : {"pixel", "feature"}
        ``"pixel"``: one weight for each pixel. ``"feature"``: one for each pixel and output channel, a pyramid of that
        many channels.

    Notes
    -----
    Shape (B, in_channels, h, w) -> (B, channels, h, w). Halves are rounded up, so that maps smaller than 8 x 8 work.
    """

    def __init__(self, in_channels: int, channels: int, pyramid: Pyramid = "pixel") -> None:
        super().__init__()
        require_choice("pyramid", pyramid, get_args(Pyramid))
        width = 1 if pyramid == "pixel" else channels
        inputs = (in_channels, width, width)
        self.main = conv_norm_relu(in_channels, channels, 1)
        self.pooled = conv_norm_relu(in_channels, channels, 1, NormOfFew)
        self.down = nn.ModuleList(conv_norm_relu(i, width, k, NormOfFew) for i, k in zip(inputs, _KERNELS, strict=True))
        self.across = nn.ModuleList(conv_norm_relu(width, width, k, NormOfFew) for k in _KERNELS)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features plus those of the whole image."""
        levels, y = [], x
        for down in self.down:
            # In bfloat16 oneDNN leaves the gradient of a kernel wider than its map partly unwritten (PyTorch 2.13).
            with torch.autocast(x.device.type, enabled=False):
                y = down(functional.avg_pool2d(y, 2, ceil_mode=True).to(down[0].weight.dtype))
            levels.append(y)
        weights = self.across[-1](levels[-1])
        for across, level in zip(self.across[-2::-1], levels[-2::-1], strict=True):
            weights = across(level) + enlarge(weights, level.shape[2:])
        return self.main(x) * enlarge(weights, x.shape[2:]) + self.pooled(x.mean((2, 3), keepdim=True))


class GlobalAttentionUpsample(nn.Module):
    """GAU: the channels of a finer map are weighted by what a coarser one shows in the whole image.

    ``conv3(low) * gate(conv1(mean of high)) + high``, with high interpolated to the resolution of low.

    Parameters
    ----------
    low_channels, channels : int
        Channels of the finer map; of the coarser one and the output.
    gate : {"sigmoid", "relu"}
        What turns the pooled features into weights; the paper leaves it open. The sigmoid bounds them. With ReLU, as
        in another reimplementation, evaluation lags behind training when batches are small: batch norm has one pooled
        value for each image of the batch, and nothing bounds how far they lie from the running statistics.

    Notes
    -----
    Input high (B, channels, h, w) and low (B, low_channels, h', w'); output (B, channels, h', w').
    """

    def __init__(self, low_channels: int, channels: int, gate: Gate = "sigmoid") -> None:
        super().__init__()
        require_choice("gate", gate, get_args(Gate))
        self.low = conv_norm_relu(low_channels, channels)
        self.gate = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            NormOfFew(channels),
            nn.ReLU(inplace=True) if gate == "relu" else nn.Sigmoid(),
        )

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Return the finer map, weighted, plus the coarser one."""
        return self.low(low) * self.gate(high.mean((2, 3), keepdim=True)) + enlarge(high, low.shape[2:])


class PAN(nn.Module):
    """ResNet, `FeaturePyramidAttention` on its last map, a `GlobalAttentionUpsample` for each of the three others.

    Parameters
    ----------
    in_channels, num_classes : int
        Channels of the image; classes including background.
    backbone : str
        One of `guided_attention.models.backbone.BACKBONES`; its last stage is dilated (stride 16).
    channels : int
        Channels of the decoder.
    pyramid, gate
        See `FeaturePyramidAttention` and `GlobalAttentionUpsample`.
    weights : path, optional
        ImageNet weights for the backbone.

    Raises
    ------
    SettingsError
        If an argument cannot work, or (when called) height or width is below 32.

    Notes
    -----
    Input (B, in_channels, H, W); output a `SegmentationOutput` without side predictions, from a 3x3 convolution at a
    quarter of the resolution. The stem is the common ResNet's 7x7 convolution where the paper has three of 3x3, so
    that all networks differ in what follows. A batch of one image can be trained, see `NormOfFew`. Compared with the
    others in the chapter *The baseline and the family*.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 5,
        backbone: str = "resnet101",
        *,
        channels: int = 32,
        pyramid: Pyramid = "pixel",
        gate: Gate = "sigmoid",
        weights: str | Path | None = None,
    ) -> None:
        super().__init__()
        require_positive("PAN", in_channels=in_channels, num_classes=num_classes, channels=channels)
        self.backbone = ResNetFeatures(backbone, in_channels, weights, output_stride=16)
        *finer, last = self.backbone.channels
        self.pyramid = FeaturePyramidAttention(last, channels, pyramid)
        self.decoder = nn.ModuleList(GlobalAttentionUpsample(c, channels, gate) for c in finer)
        self.head = nn.Conv2d(channels, num_classes, 3, padding=1)

    def forward(self, x: Tensor) -> SegmentationOutput:
        """Segment a batch of slices, (B, in_channels, H, W)."""
        require_size("PAN", x, least=32)
        *finer, last = self.backbone(x)
        y = self.pyramid(last)
        for upsample, low in zip(reversed(self.decoder), reversed(finer), strict=True):
            y = upsample(y, low)
        return SegmentationOutput(enlarge(self.head(y), x.shape[2:]))
