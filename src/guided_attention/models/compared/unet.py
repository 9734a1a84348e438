"""U-Net (Ronneberger et al. 2015), the network that most others in Table II start from.

MONAI's `BasicUNet` is not the same network: it keeps 128 channels in its last transposed convolution, where U-Net
halves them. Its parts are the same where its defaults are replaced, and the tests put this one together from them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from guided_attention.models.blocks import init_he, require_positive, require_size, two_convs
from guided_attention.models.output import SegmentationOutput

__all__ = ["UNet", "UNetEncoder", "unet_widths"]


def unet_widths(channels: int) -> tuple[int, ...]:
    """Return the channels of the five levels: doubled at each, 64 to 1024 for ``channels=64``."""
    return tuple(channels * 2**level for level in range(5))


class UNetEncoder(nn.Module):
    """The contracting half: five levels of two 3x3 convolutions, 2x2 max pooling in between.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    channels : int
        Channels of the first level; doubled at each further one.

    Notes
    -----
    Input (B, in_channels, H, W); output a list of five (B, channels * 2^s, H / 2^s, W / 2^s), finest first.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        widths = unet_widths(channels)
        self.levels = nn.ModuleList(two_convs(i, o) for i, o in zip((in_channels, *widths), widths, strict=False))
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of all levels, finest first."""
        maps = []
        for s, level in enumerate(self.levels):
            x = level(self.pool(x) if s else x)
            maps.append(x)
        return maps


class UNet(nn.Module):
    """U-Net: encoder, decoder, and a skip at each level that is concatenated.

    Two things differ from the print, as in nearly all later work: convolutions are padded, so that the prediction has
    the size of the image, and each has batch norm.

    Parameters
    ----------
    in_channels, num_classes : int
        Channels of the image; classes including background.
    channels : int
        Channels of the first level; the fifth has 16 times as many (64 to 1024).

    Raises
    ------
    SettingsError
        If an argument is below 1, or (when called) height or width is below 32 or not divisible by 16.

    Notes
    -----
    Input (B, in_channels, H, W); output a `SegmentationOutput` without side predictions. Compared with the others in
    the chapter *The baseline and the family*.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 5, *, channels: int = 64) -> None:
        super().__init__()
        require_positive("U-Net", in_channels=in_channels, num_classes=num_classes, channels=channels)
        widths = unet_widths(channels)
        self.encoder = UNetEncoder(in_channels, channels)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[:-1])
        self.decoder = nn.ModuleList(two_convs(2 * w, w) for w in widths[:-1])
        self.head = nn.Conv2d(channels, num_classes, 1)
        init_he(self)

    def forward(self, x: Tensor) -> SegmentationOutput:
        """Segment a batch of slices, (B, in_channels, H, W)."""
        require_size("U-Net", x, least=32, multiple=16)
        *skips, y = self.encoder(x)
        for skip, up, level in zip(reversed(skips), reversed(self.up), reversed(self.decoder), strict=True):
            y = level(torch.cat([skip, up(y)], dim=1))
        return SegmentationOutput(self.head(y))
