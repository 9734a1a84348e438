"""DANet (Fu et al. 2019): position and channel attention on the last map of a dilated ResNet.

Neither MONAI nor segmentation-models-pytorch has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from guided_attention.errors import SettingsError
from guided_attention.models.attention import ChannelAttention, Energy, PositionAttention
from guided_attention.models.backbone import ResNetFeatures
from guided_attention.models.blocks import conv_norm_relu, enlarge, require_positive, require_size
from guided_attention.models.capture import attention_of
from guided_attention.models.exact import Implementation
from guided_attention.models.output import SegmentationOutput

__all__ = ["DANet"]


class DANet(nn.Module):
    """One scale, two attention modules, three predictions.

    The last two stages of the ResNet are dilated, so its last map has an eighth of the image's resolution. From it two
    branches: 3x3 convolution to a quarter of the channels, attention, another 3x3 convolution. Position, channel and
    their sum each have a classifier (dropout of whole channels, 1x1 convolution), enlarged bilinearly; all three are
    trained, the sum's is the result.

    Parameters
    ----------
    in_channels, num_classes : int
        Channels of the image; classes including background.
    backbone : str
        One of `guided_attention.models.backbone.BACKBONES`.
    channels : int, optional
        Channels of the branches; default a quarter of the backbone's last map (512 for ResNet-101).
    reduction : int
        Queries and keys have channels // reduction channels.
    energy : {"released", "paper", "scaled"}
        Energy of channel attention, see `ChannelAttention`. The default differs from that of our own networks: here
        DANet is a network to compare with, and its published figures come from its code, which has max(E) - E where
        the equation has E. (Asked about it, its authors answered that the other sign had not performed well.)
    dropout : float
        Share of the channels that dropout removes in training.
    weights : path, optional
        ImageNet weights for the backbone.
    implementation : {"auto", "plain", "fused", "chunked"}
        How position attention is computed.

    Raises
    ------
    SettingsError
        If an argument cannot work, or (when called) height or width is below 32.

    Notes
    -----
    Input (B, in_channels, H, W); output a `SegmentationOutput`, whose ``side_logits`` are (sum, position, channel) in
    training. The stem is the common ResNet's, and the last stage is dilated evenly: the grid of dilations that DANet
    tries besides is left out, as it has nothing to do with attention. Compared with the others in the chapter *The
    baseline and the family*.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 5,
        backbone: str = "resnet101",
        *,
        channels: int | None = None,
        reduction: int = 8,
        energy: Energy = "released",
        dropout: float = 0.1,
        weights: str | Path | None = None,
        implementation: Implementation = "auto",
    ) -> None:
        super().__init__()
        counts = {} if channels is None else {"channels": channels}
        require_positive("DANet", in_channels=in_channels, num_classes=num_classes, **counts)
        if not 0 <= dropout < 1:
            raise SettingsError(f"DANet: dropout={dropout} must be a share of the channels, from 0 to below 1.")
        self.backbone = ResNetFeatures(backbone, in_channels, weights, output_stride=8)
        inputs = self.backbone.channels[-1]
        width = inputs // 4 if channels is None else channels
        self.position = nn.Sequential(
            conv_norm_relu(inputs, width),
            PositionAttention(width, reduction, implementation),
            conv_norm_relu(width, width),
        )
        self.channel = nn.Sequential(
            conv_norm_relu(inputs, width), ChannelAttention(energy), conv_norm_relu(width, width)
        )
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(width, num_classes, 1))
                for name in ("sum", "position", "channel")
            }
        )

    def forward(self, x: Tensor) -> SegmentationOutput:
        """Segment a batch of slices, (B, in_channels, H, W)."""
        require_size("DANet", x, least=32)
        features = self.backbone(x)[-1]
        position, channel = self.position(features), self.channel(features)
        logits = enlarge(self.heads["sum"](position + channel), x.shape[2:])
        if not self.training:
            return SegmentationOutput(logits)
        branches = (self.heads["position"](position), self.heads["channel"](channel))
        return SegmentationOutput(logits, (logits, *(enlarge(branch, x.shape[2:]) for branch in branches)))

    def attention(
        self,
        x: Tensor,
        at: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
        kind: Literal["position", "channel"] = "position",
    ) -> Tensor:
        """Return the attention map on demand: `guided_attention.models.attention_of`, which says more, for one module.

        Parameters
        ----------
        x : Tensor, (B, in_channels, H, W)
            Slices. The network is run as in evaluation, without gradients, and left as it was.
        at : (row, col) or a sequence of them, optional
            The asking pixels of x. None: all N = h w positions of the map.
        kind : {"position", "channel"}
            Which of the two attention modules.

        Returns
        -------
        Tensor
            For one pixel (B, h, w), for M of them (B, M, h, w), for all (B, N, h, w); for channels (B, C, C).

        Raises
        ------
        SettingsError
            If a pixel lies outside x, or ``kind`` is unknown.
        """
        (found,) = attention_of(self, x, at, kind).values()
        return found
