"""The multi-scale attention network and its ablation family: six rows of Table I as settings of one module."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from guided_attention.errors import SettingsError, require_choice
from guided_attention.models.attention import DualAttention, Energy
from guided_attention.models.backbone import ResNetFeatures
from guided_attention.models.blocks import enlarge
from guided_attention.models.brick import ConvNormAct
from guided_attention.models.capture import attention_of
from guided_attention.models.exact import Implementation
from guided_attention.models.fusion import MultiScaleFusion
from guided_attention.models.guidance import GuidedAttention, ScaleFeatures, SecondInput, semantic_pairs
from guided_attention.models.output import SegmentationOutput

__all__ = ["FAMILY", "DAFAttention", "MultiScaleAttentionNet"]

Attention = Literal["daf", "position", "channel", "dual"]

#: The rows of Table I: the settings that make each of them.
FAMILY: dict[str, dict[str, object]] = {
    "daf": {"attention": "daf", "steps": 1, "guided": False},
    "pam": {"attention": "position", "steps": 1, "guided": False},
    "cam": {"attention": "channel", "steps": 1, "guided": False},
    "dual": {"attention": "dual", "steps": 1, "guided": False},
    "ms-dual": {"attention": "dual", "steps": 2, "guided": False},
    "ms-dual-guided": {"attention": "dual", "steps": 2, "guided": True},
}


class DAFAttention(nn.Module):
    """The attention of one scale in DAF (Wang et al. 2018), the baseline of Table I.

    Three convolutions of [F'_s, F_MS] and a softmax over the channels make a mask; the mask times F_MS, beside F'_s,
    goes through three more convolutions. No position sees another further away than the convolutions reach.

    Notes
    -----
    Input: F'_s and F_MS, (B, C, h, w) each; output a `ScaleFeatures` of the same shape.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mask = nn.Sequential(
            ConvNormAct(2 * channels, channels),
            ConvNormAct(channels, channels),
            nn.Conv2d(channels, channels, 1),
            nn.Softmax(dim=1),
        )
        self.refine = nn.Sequential(
            ConvNormAct(2 * channels, channels),
            ConvNormAct(channels, channels),
            ConvNormAct(channels, channels, size=1),
        )

    def forward(self, raw: Tensor, fused: Tensor) -> ScaleFeatures:
        """Refine F'_s (raw) and F_MS (fused) to A_s."""
        mask = self.mask(torch.cat([raw, fused], dim=1))
        return ScaleFeatures(self.refine(torch.cat([raw, mask * fused], dim=1)))


class MultiScaleAttentionNet(nn.Module):
    """Multi-scale network with self-attention at every scale (Fig. 1 of the paper).

    Backbone -> `MultiScaleFusion` -> attention at each of four scales -> two predictions at each scale, one from the
    raw features F'_s and one from the attention features A_s. All eight are trained (eq. 10); the last four make the
    result.

    Parameters
    ----------
    in_channels, num_classes : int
        Channels of the image; classes including background.
    backbone : str
        One of `guided_attention.models.backbone.BACKBONES`.
    backbone_width : int
        Channels of its first stage; 64 is the published width.
    attention : {"dual", "position", "channel", "daf"}
        Which attention: rows DualNet, PAM, CAM, DAF of Table I.
    steps : {2, 1}
        Attention modules stacked at each scale (MS-Dual has 2).
    guided : bool
        Semantic guidance by encoder-decoders (MS-Dual-Guided); needs ``steps=2`` and an attention other than
        ``"daf"``.
    channels : int
        Common width C of all scales (64 in the released code).
    reduction : int
        Queries and keys have C // reduction channels (8).
    energy : {"paper", "released", "scaled"}
        Energy of channel attention, see `ChannelAttention`.
    entry : {"conv", "concat"}; second_input : {"modulate", "direct"}
        See `GuidedAttention`.
    semantic : {"per-scale", "shared"}
        ``"per-scale"``: each scale has encoder-decoders of its own, as the text says (the default: statistics of
        different scales do not mix in batch norm; same arithmetic, four times their parameters). ``"shared"``: one
        for each step, used by all four scales, as in the released code.
    prediction : {"mean", "finest"}
        The final logits: the mean over the attention predictions of the four scales (released code; the default, as
        all four are trained for it), or scale 0 alone (Fig. 1 draws only that).
    semantic_widths : tuple of 3 ints, optional
        Levels of the encoder-decoders; default (2 C, 4 C, 8 C).
    weights : path, optional
        ImageNet weights for the backbone. The paper does not mention any; the released code starts from scratch, as
        the default does.
    implementation : {"auto", "plain", "fused", "chunked"}
        How position attention is computed.

    Raises
    ------
    SettingsError
        If an argument is unknown, settings exclude each other, or one would have no effect and is not at its default.

    Notes
    -----
    Input (B, in_channels, H, W), H and W at least 32; output a `SegmentationOutput`. Built in *The whole network*.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 5,
        backbone: str = "resnet101",
        *,
        backbone_width: int = 64,
        attention: Attention = "dual",
        steps: int = 2,
        guided: bool = True,
        channels: int = 64,
        reduction: int = 8,
        energy: Energy = "paper",
        entry: Literal["conv", "concat"] = "conv",
        second_input: SecondInput = "modulate",
        semantic: Literal["per-scale", "shared"] = "per-scale",
        prediction: Literal["mean", "finest"] = "mean",
        semantic_widths: tuple[int, int, int] | None = None,
        weights: str | Path | None = None,
        implementation: Implementation = "auto",
    ) -> None:
        super().__init__()
        require_choice("attention", attention, get_args(Attention))
        require_choice("steps", steps, (1, 2))
        require_choice("entry", entry, ("conv", "concat"))
        require_choice("second_input", second_input, get_args(SecondInput))
        require_choice("semantic", semantic, ("per-scale", "shared"))
        require_choice("prediction", prediction, ("mean", "finest"))
        if guided and (steps != 2 or attention == "daf"):
            raise SettingsError(
                f"guided=True needs steps=2 and an attention other than 'daf' (eq. 6 compares the latents of two "
                f"attention steps); found steps={steps}, attention={attention!r}."
            )
        if attention == "daf" and steps != 1:
            raise SettingsError(f"attention='daf' has one step; found steps={steps}.")
        self_attention = {"reduction": reduction, "implementation": implementation}
        _require_defaults("position attention", attention in ("position", "dual"), **self_attention)
        _require_defaults("channel attention", attention in ("channel", "dual"), energy=energy)
        _require_defaults("self-attention", attention != "daf", entry=entry)
        _require_defaults("a second step", steps == 2, second_input=second_input)
        _require_defaults("guidance", guided, semantic=semantic, semantic_widths=semantic_widths)
        self.prediction = prediction
        self.backbone = ResNetFeatures(backbone, in_channels, weights, width=backbone_width)
        scales = len(self.backbone.channels)
        self.fusion = MultiScaleFusion(self.backbone.channels, channels)
        pairs = [None] * scales
        if guided:
            widths = semantic_widths or (2 * channels, 4 * channels, 8 * channels)
            pairs = semantic_pairs(scales, channels, widths, second_input, shared=semantic == "shared")
        attend = partial(_dual, channels, attention, energy=energy, **self_attention)
        steps_of_scale = partial(GuidedAttention, channels, attend, steps=steps, entry=entry, second_input=second_input)
        self.scales = nn.ModuleList(
            DAFAttention(channels) if attention == "daf" else steps_of_scale(autoencoders=pair) for pair in pairs
        )
        self.raw_heads = nn.ModuleList(nn.Conv2d(channels, num_classes, 1) for _ in range(scales))
        self.attention_heads = nn.ModuleList(nn.Conv2d(channels, num_classes, 1) for _ in range(scales))

    def forward(self, x: Tensor) -> SegmentationOutput:
        """Segment a batch of slices, (B, in_channels, H, W)."""
        if min(x.shape[2:]) < 32:
            raise SettingsError(f"the input has {tuple(x.shape[2:])} pixels; the network needs at least 32 x 32.")
        raw, fused = self.fusion(self.backbone(x))
        refined = [scale(f, fused) for scale, f in zip(self.scales, raw, strict=True)]
        size = x.shape[2:]
        from_attention = [
            enlarge(head(r.attention), size) for head, r in zip(self.attention_heads, refined, strict=True)
        ]
        logits = torch.stack(from_attention).mean(0) if self.prediction == "mean" else from_attention[0]
        if not self.training:
            return SegmentationOutput(logits)
        from_raw = [enlarge(head(f), size) for head, f in zip(self.raw_heads, raw, strict=True)]
        return SegmentationOutput(
            logits,
            side_logits=(*from_raw, *from_attention),
            latents=tuple(r.latents for r in refined if r.latents is not None),
            reconstructions=tuple(pair for r in refined for pair in r.reconstructions),
        )

    def attention(
        self,
        x: Tensor,
        at: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
        kind: Literal["position", "channel"] = "position",
    ) -> dict[tuple[int, int], Tensor]:
        """Attention maps on demand, for every scale (0 to 3) and step (1, 2).

        Parameters
        ----------
        x : Tensor, (B, in_channels, H, W)
            Slices, as for `forward`. The network is run as in evaluation, without gradients.
        at : (row, col) or a sequence of them, optional
            The asking pixels of x. None: all positions of the map, N x N numbers for each slice.
        kind : {"position", "channel"}
            Position attention, or the C x C maps of channel attention (which know no ``at``).

        Returns
        -------
        dict (scale, step) -> Tensor
            For one pixel (B, h, w); for M of them (B, M, h, w); for all (B, N, h, w); for channels (B, C, C).
            The weights of each asker add up to 1. Empty where the network has no attention of this kind.

        Raises
        ------
        SettingsError
            If a pixel lies outside x.
        """
        names = {
            f"scales.{s}.steps.{t}.": (s, t + 1)
            for s, scale in enumerate(self.scales)
            for t in range(len(getattr(scale, "steps", ())))
        }
        found = attention_of(self, x, at, kind)
        return {names[prefix]: value for name, value in found.items() for prefix in names if name.startswith(prefix)}


def _dual(channels: int, attention: Attention, in_channels: int, **options: object) -> DualAttention:
    branches = {"position": attention != "channel", "channel": attention != "position"}
    return DualAttention(channels, in_channels, **branches, **options)


def _require_defaults(part: str, there: bool, **options: object) -> None:
    """Raise a `SettingsError` if an option of a part that the network does not have was chosen."""
    for option, value in options.items():
        if not there and value != signature(MultiScaleAttentionNet).parameters[option].default:
            raise SettingsError(f"{option}={value!r} has no effect: this network has no {part}. Leave it out.")
