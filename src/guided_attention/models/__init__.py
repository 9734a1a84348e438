"""The networks: the multi-scale attention family and those it was compared with, all built by name."""

from __future__ import annotations

from inspect import signature

from torch import nn

from guided_attention.errors import SettingsError, require_choice
from guided_attention.models.capture import (
    PositionMaps,
    attention_of,
    capture_channels,
    capture_features,
    capture_positions,
)
from guided_attention.models.compared.attention_unet import AttentionUNet
from guided_attention.models.compared.danet import DANet
from guided_attention.models.compared.pan import PAN
from guided_attention.models.compared.unet import UNet
from guided_attention.models.network import FAMILY, MultiScaleAttentionNet
from guided_attention.models.output import SegmentationOutput

__all__ = [
    "FAMILY",
    "MODELS",
    "MultiScaleAttentionNet",
    "PositionMaps",
    "SegmentationOutput",
    "attention_of",
    "backbone_of",
    "build_model",
    "capture_channels",
    "capture_features",
    "capture_positions",
]

#: What each name stands for: a class, and the settings that make it this network.
_NETWORKS: dict[str, tuple[type[nn.Module], dict[str, object]]] = {
    **{name: (MultiScaleAttentionNet, settings) for name, settings in FAMILY.items()},
    "unet": (UNet, {}),
    "attention-unet": (AttentionUNet, {}),
    "danet": (DANet, {}),
    "pan-resnet34": (PAN, {"backbone": "resnet34"}),
    "pan-resnet101": (PAN, {"backbone": "resnet101"}),
}
#: The names that `build_model` knows: rows of Table I, then the others of Table II.
MODELS: tuple[str, ...] = tuple(_NETWORKS)


def build_model(
    name: str, in_channels: int = 1, num_classes: int = 5, backbone: str | None = None, **options: object
) -> nn.Module:
    """Build a network by its name.

    Parameters
    ----------
    name : str
        One of `MODELS`.
    in_channels, num_classes : int
        Channels of the image; classes including background.
    backbone : str, optional
        One of `guided_attention.models.backbone.BACKBONES`, for networks that leave it open. Default: the network's
        own (ResNet-101, or what its name says).
    **options
        Further arguments of the network, see `MultiScaleAttentionNet` and the classes in
        `guided_attention.models.compared`.

    Returns
    -------
    nn.Module
        Takes (B, in_channels, H, W) and returns a `SegmentationOutput`. Its attributes ``in_channels`` and
        ``num_classes`` say how many.

    Raises
    ------
    SettingsError
        If the name is unknown, or the network cannot honour an option: because it has no such option, or because its
        name says another value. No option is ignored.
    """
    require_choice("model", name, MODELS)
    network, said = _NETWORKS[name]
    if backbone is not None:
        options["backbone"] = backbone
    open_to_choice = [option for option in _options(network) if option not in said]
    for option, value in options.items():
        if option in said and value != said[option]:
            raise SettingsError(
                f"model {name!r}: its name says {option}={said[option]!r}, found {option}={value!r}. Leave it out, "
                f"choose another model, or build {network.__name__} itself; open are {', '.join(open_to_choice)}."
            )
        if option not in said and option not in open_to_choice:
            why = "the encoder is its own" if option == "backbone" else "it is unknown"
            raise SettingsError(
                f"model {name!r} has no option {option!r} ({why}). Leave it out; it has {', '.join(open_to_choice)}."
            )
    built = network(in_channels, num_classes, **{**options, **said})
    built.in_channels, built.num_classes = in_channels, num_classes
    return built


def backbone_of(name: str, chosen: str) -> str | None:
    """Return the backbone of a network: what its name says, else the chosen one; None if its encoder is its own."""
    require_choice("model", name, MODELS)
    network, said = _NETWORKS[name]
    return said.get("backbone", chosen) if "backbone" in _options(network) else None


def _options(network: type[nn.Module]) -> list[str]:
    return [option for option in signature(network).parameters if option not in ("in_channels", "num_classes")]
