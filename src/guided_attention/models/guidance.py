"""Guided refinement: two attention steps and the semantic encoder-decoders that guide them (Fig. 3 of the paper)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.models.brick import ConvNormAct

__all__ = ["GuidedAttention", "ScaleFeatures", "SecondInput", "SemanticAutoencoder", "semantic_pairs"]

SecondInput = Literal["modulate", "direct"]


@dataclass(frozen=True, eq=False)
class ScaleFeatures:
    """What the attention of one scale returns.

    Parameters
    ----------
    attention : Tensor, (B, C, h, w)
        The attention features A_s.
    latents : tuple of two Tensor, or None
        E_1(F_s) and E_2(F_SA), where the scale is guided (eq. 6).
    reconstructions : tuple of (Tensor, Tensor)
        (F_s, reconstruction of F_s) and (F_SA, reconstruction of F_SA), where the scale is guided (eq. 7).
    """

    attention: Tensor
    latents: tuple[Tensor, Tensor] | None = None
    reconstructions: tuple[tuple[Tensor, Tensor], ...] = ()


class SemanticAutoencoder(nn.Module):
    """Compress features to a latent map and rebuild them: E and D of eq. 6 and 7.

    Three levels of two 3x3 convolutions each, 2x2 max pooling between them; bilinear upsampling on the way back, no
    skips: what the latent does not hold is lost. For 128 input channels the widths (128, 256, 512) make 7.0 M
    parameters, as many as in the released code.

    Parameters
    ----------
    channels : int
        Channels of the features.
    widths : tuple of 3 ints
        Channels of the three levels; the last is the latent's.

    Notes
    -----
    Input (B, channels, h, w); output: latent (B, widths[2], h // 4, w // 4) and reconstruction (B, channels, h, w).
    Built in the chapter *The chaperone*.
    """

    def __init__(self, channels: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        w1, w2, w3 = widths
        self.encoder = nn.Sequential(_two(channels, w1), nn.MaxPool2d(2), _two(w1, w2), nn.MaxPool2d(2), _two(w2, w3))
        self.decoder = nn.ModuleList([_two(w3, w2), _two(w2, w1)])
        self.rebuild = nn.Conv2d(w1, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (latent, reconstruction)."""
        latent = self.encoder(x)
        h, w = x.shape[2:]
        y = latent
        for level, size in zip(self.decoder, ((h // 2, w // 2), (h, w)), strict=True):
            y = level(functional.interpolate(y, size=size, mode="bilinear", align_corners=False))
        return latent, self.rebuild(y)


class GuidedAttention(nn.Module):
    """The attention of one scale: one or two steps, with or without guidance.

    Step 1 attends to F_s = [F'_s, F_MS]; step 2 attends again to F_SA, made from step 1. Where the scale is guided, an
    encoder-decoder runs beside each step and its reconstruction multiplies, element by element, the step's attention
    features: what the code cannot rebuild, attention cannot shout about.

    Parameters
    ----------
    channels : int
        Channels C of F'_s, F_MS and the result.
    attend : callable (in_channels) -> nn.Module
        Makes the attention module of one step, from in_channels to C: a `DualAttention`, say.
    steps : {1, 2}
        How many steps are stacked.
    autoencoders : sequence of two SemanticAutoencoder, optional
        One for each step; they may be shared between scales. None: not guided.
    entry : {"conv", "concat"}
        ``"conv"``: one convolution from [F'_s, F_MS] to C channels before each module, as eq. 1 and Fig. 1 say (the
        default: it is the published equation, and makes the modules half as wide). ``"concat"``: the released code,
        which hands over the concatenation.
    second_input : {"modulate", "direct"}
        What step 2 gets as F_SA. ``"modulate"``: [F'_s, A * F_MS] with A the features of step 1, as in the released
        code and DAF (the default: raw features stay in sight of step 2, and both encoders see inputs of one kind).
        ``"direct"``: A itself, as Fig. 3 draws it.

    Notes
    -----
    Input: F'_s and F_MS, (B, C, h, w) each; output a `ScaleFeatures`. The multiplication passes the 2 C
    channels of the reconstruction through one 3x3 convolution to C: the paper speaks of a matrix product, but the
    shapes allow only this one, and the released code does it. Built in the chapters *Two attentions, twice* and *The
    chaperone*.
    """

    def __init__(
        self,
        channels: int,
        attend: Callable[[int], nn.Module],
        *,
        steps: int = 2,
        autoencoders: tuple[nn.Module, nn.Module] | None = None,
        entry: Literal["conv", "concat"] = "conv",
        second_input: SecondInput = "modulate",
    ) -> None:
        super().__init__()
        inputs = [2 * channels, channels if second_input == "direct" else 2 * channels][:steps]
        self.second_input = second_input
        self.entries = nn.ModuleList(
            ConvNormAct(n, channels) if entry == "conv" and n != channels else nn.Identity() for n in inputs
        )
        self.steps = nn.ModuleList(attend(channels if entry == "conv" else n) for n in inputs)
        self.guided = autoencoders is not None
        self.autoencoders = nn.ModuleList(autoencoders or ())
        self.gates = nn.ModuleList(ConvNormAct(n, channels) for n in inputs if self.guided)

    def forward(self, raw: Tensor, fused: Tensor) -> ScaleFeatures:
        """Refine F'_s (raw) and F_MS (fused) to A_s."""
        latents, reconstructions = [], []
        x, attention = torch.cat([raw, fused], dim=1), None
        for t, (entry, step) in enumerate(zip(self.entries, self.steps, strict=True)):
            if t > 0:
                x = attention if self.second_input == "direct" else torch.cat([raw, attention * fused], dim=1)
            attention = step(entry(x))
            if self.guided:
                latent, rebuilt = self.autoencoders[t](x)
                attention = attention * self.gates[t](rebuilt)
                latents.append(latent)
                reconstructions.append((x, rebuilt))
        return ScaleFeatures(attention, tuple(latents) or None, tuple(reconstructions))


def semantic_pairs(
    scales: int, channels: int, widths: tuple[int, int, int], second_input: SecondInput, *, shared: bool
) -> list[tuple[SemanticAutoencoder, SemanticAutoencoder]]:
    """Return the encoder-decoders of both steps for each scale: one pair for all, or one each."""
    second = channels if second_input == "direct" else 2 * channels

    def pair() -> tuple[SemanticAutoencoder, SemanticAutoencoder]:
        return SemanticAutoencoder(2 * channels, widths), SemanticAutoencoder(second, widths)

    return [pair()] * scales if shared else [pair() for _ in range(scales)]


def _two(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(ConvNormAct(inputs, outputs), ConvNormAct(outputs, outputs))
