"""The networks: the multi-scale attention family and those it was compared with, all built by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature

from torch import nn

from guided_attention.errors import SettingsError, require_choice
from guided_attention.models import network
from guided_attention.models.capture import (
    PositionMaps,
    attention_of,
    capture_channels,
    capture_features,
    capture_positions,
)
from guided_attention.models.compared import attention_unet, danet, pan, unet
from guided_attention.models.network import FAMILY, MultiScaleAttentionNet
from guided_attention.models.output import SegmentationOutput

__all__ = [
    "FAMILY",
    "MODELS",
    "MultiScaleAttentionNet",
    "PositionMaps",
    "SegmentationOutput",
    "attention_of",
    "build_model",
    "capture_channels",
    "capture_features",
    "capture_positions",
]

_FACTORIES: dict[str, Callable[..., nn.Module]] = {
    **network.members(),
    "unet": unet.build_unet,
    "attention-unet": attention_unet.build_attention_unet,
    "danet": danet.build_danet,
    "pan-resnet34": pan.build_pan_resnet34,
    "pan-resnet101": pan.build_pan_resnet101,
}
#: The names that `build_model` knows: rows of Table I, then the others of Table II.
MODELS: tuple[str, ...] = tuple(_FACTORIES)


def build_model(
    name: str, in_channels: int = 1, num_classes: int = 5, backbone: str = "resnet101", **options: object
) -> nn.Module:
    """Build a network by its name.

    Parameters
    ----------
    name : str
        One of `MODELS`.
    in_channels, num_classes : int
        Channels of the image; classes including background.
    backbone : str
        One of `guided_attention.models.backbone.BACKBONES`, for networks that have one.
    **options
        Further arguments of the network, see `MultiScaleAttentionNet` and the builders of the others.

    Returns
    -------
    nn.Module
        Takes (B, in_channels, H, W) and returns a `SegmentationOutput`.

    Raises
    ------
    SettingsError
        If the name or an option is unknown, with what would have been possible.
    """
    require_choice("model", name, MODELS)
    factory = _FACTORIES[name]
    fixed = set(factory.keywords) if isinstance(factory, partial) else set()
    possible = [option for option in signature(factory).parameters if option not in fixed]
    for option in options:
        if option not in possible:
            why = "fixed by the name of the model" if option in fixed else "unknown"
            raise SettingsError(f"model {name!r}: option {option!r} is {why}; choose among {', '.join(possible)}.")
    return factory(in_channels=in_channels, num_classes=num_classes, backbone=backbone, **options)
