"""Attention U-Net (Oktay et al. 2018): a U-Net whose skips pass a gate.

MONAI's `AttentionUnet` is another network: strided convolutions in place of max pooling, gates that compare skip and
signal at full resolution with half the channels, transposed convolutions, and no predictions at the coarser levels.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.errors import require_choice
from guided_attention.models.blocks import conv_norm_relu, enlarge, init_he, require_positive, require_size, two_convs
from guided_attention.models.compared.unet import UNetEncoder, unet_widths
from guided_attention.models.output import SegmentationOutput

__all__ = ["AttentionGate", "AttentionUNet", "Supervision"]

Supervision = Literal["fused", "losses"]


class AttentionGate(nn.Module):
    """The additive gate: which pixels of a skip matter, given the features one level below.

    ``alpha = sigmoid(psi(relu(W_x x + W_g g + b_g)) + b_psi)``, then ``BN(W(alpha * x))``.

    ``W_x`` is a 2x2 convolution of stride 2 without bias, so that x meets g at g's resolution; alpha, one number for
    each of its positions, is interpolated bilinearly back to the pixels of x. ``W`` is a 1x1 convolution; the authors'
    code puts one more with ReLU behind it, to combine several gates, which a single gate has no use for.

    Parameters
    ----------
    channels : int
        Channels C of the skip x, and of the comparison (as in the authors' code).
    gate_channels : int
        Channels G of the gating signal g.

    Notes
    -----
    Input x (B, C, 2 h, 2 w) and g (B, G, h, w); output the gated skip (B, C, 2 h, 2 w) and alpha (B, 1, 2 h, 2 w) in
    0 .. 1. Compared with self-attention in the chapter *The baseline and the family*.
    """

    def __init__(self, channels: int, gate_channels: int) -> None:
        super().__init__()
        self.w_x = nn.Conv2d(channels, channels, 2, stride=2, bias=False)
        self.w_g = nn.Conv2d(gate_channels, channels, 1)
        self.psi = nn.Conv2d(channels, 1, 1)
        self.output = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return (gated skip, alpha)."""
        alpha = torch.sigmoid(self.psi(functional.relu(self.w_x(x) + self.w_g(g))))
        alpha = enlarge(alpha, x.shape[2:])
        return self.output(alpha * x), alpha


class AttentionUNet(nn.Module):
    """U-Net with an `AttentionGate` on its skips and a prediction at each level.

    Three skips are gated: the finest is not, because its features say too little about what is seen (so the paper and
    its code). The signal of the deepest gate is the fifth level after a 1x1 convolution; the others take the decoder's
    features one level below. The decoder enlarges bilinearly.

    Parameters
    ----------
    in_channels, num_classes : int
        Channels of the image; classes including background.
    channels : int
        Channels of the first level; the fifth has 16 times as many. 64 as in U-Net, so that the gates make the
        difference (the authors' 3-D network has 16, for memory).
    supervision : {"fused", "losses"}
        How the predictions of the four levels are supervised. ``"fused"``: enlarged, concatenated and joined by a 1x1
        convolution, whose result alone has a loss: how the authors' code does it, hence the default. ``"losses"``: the
        same network, but each of the four has a loss of its own besides (as "deep supervision" means elsewhere), so
        ``side_logits`` has five entries in training: the joined prediction, then the levels', finest first.

    Raises
    ------
    SettingsError
        If an argument cannot work, or (when called) height or width is below 32 or not divisible by 16.

    Notes
    -----
    Input (B, in_channels, H, W); output a `SegmentationOutput`. Compared with the others in the chapter *The baseline
    and the family*.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 5,
        *,
        channels: int = 64,
        supervision: Supervision = "fused",
    ) -> None:
        super().__init__()
        require_positive("Attention U-Net", in_channels=in_channels, num_classes=num_classes, channels=channels)
        require_choice("supervision", supervision, get_args(Supervision))
        widths = unet_widths(channels)
        self.supervision = supervision
        self.encoder = UNetEncoder(in_channels, channels)
        self.signal = conv_norm_relu(widths[4], widths[4], size=1)
        self.gates = nn.ModuleList(AttentionGate(w, 2 * w) for w in widths[1:4])
        self.decoder = nn.ModuleList(two_convs(3 * w, w) for w in widths[:4])
        self.heads = nn.ModuleList(nn.Conv2d(w, num_classes, 1) for w in widths[:4])
        self.join = nn.Conv2d(4 * num_classes, num_classes, 1)
        init_he(self)

    def forward(self, x: Tensor) -> SegmentationOutput:
        """Segment a batch of slices, (B, in_channels, H, W)."""
        maps, _ = self._decode(x)
        levels = [enlarge(head(y), x.shape[2:]) for head, y in zip(self.heads, maps, strict=True)]
        logits = self.join(torch.cat(levels, dim=1))
        side = (logits, *levels) if self.training and self.supervision == "losses" else ()
        return SegmentationOutput(logits, side)

    @torch.no_grad()
    def attention_coefficients(self, x: Tensor) -> dict[int, Tensor]:
        """Return what the gates let through.

        Parameters
        ----------
        x : Tensor, (B, in_channels, H, W)
            Slices. The network is run as in evaluation, without gradients, and left as it was.

        Returns
        -------
        dict int -> Tensor
            Alpha of the gate at level s = 1, 2, 3: (B, 1, H / 2^s, W / 2^s), between 0 and 1.
        """
        modes = {module: module.training for module in self.modules()}
        try:
            self.eval()
            return self._decode(x)[1]
        finally:
            for module, training in modes.items():
                module.training = training

    def _decode(self, x: Tensor) -> tuple[list[Tensor], dict[int, Tensor]]:
        """Decoder features of levels 0 to 3, and alpha by level."""
        require_size("Attention U-Net", x, least=32, multiple=16)
        *skips, y = self.encoder(x)
        signal = self.signal(y)
        maps, coefficients = [], {}
        for s in (3, 2, 1, 0):
            skip = skips[s]
            if s > 0:
                skip, coefficients[s] = self.gates[s - 1](skip, signal)
            signal = y = self.decoder[s](torch.cat([skip, enlarge(y, skip.shape[2:])], dim=1))
            maps.insert(0, y)
        return maps, coefficients
