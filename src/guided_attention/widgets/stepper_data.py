"""The refinement of a network on its way to the browser: pictures in 256 steps, queries and keys, predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from guided_attention.errors import SettingsError
from guided_attention.models import capture_positions
from guided_attention.widgets.shared.inputs import device_of, place_of
from guided_attention.widgets.shared.pack import pack, pack_pictures, unpack
from guided_attention.widgets.shared.rows import pack_maps
from guided_attention.widgets.stepper_stages import Refinement, Step, refinements

__all__ = ["pack_network", "values"]


def pack_network(
    name: str, model: nn.Module, x: Tensor, scales: Sequence[int] | None, channels: Sequence[int]
) -> dict[str, Any]:
    """Return what the stepper's script needs of one network; arguments and errors as for `RefinementStepper`."""
    found = refinements(model, x, name)
    width = found[0].fused.shape[0]
    for channel in channels:
        if not 0 <= channel < width:
            raise SettingsError(f"channels: {channel} is none; model {name!r} has the channels 0 to {width - 1}.")
    wanted = [number for number in range(len(found)) if scales is None or number in scales]
    if not wanted:
        raise SettingsError(f"scales={list(scales)}: the network has the scales 0 to {len(found) - 1}.")
    captured = capture_positions(model, x.to(device_of(model)))
    attention = {place_of(path, 0)[1:3]: maps for path, maps in captured.items()}
    packed = [_pack_scale(number, found[number], channels) for number in wanted]
    steps = [
        {
            **_pack_step(step, channels),
            "scale": number,
            "step": count,
            "label": None,
            "attention": pack_maps(attention[number, count]) if (number, count) in attention else None,
        }
        for number in wanted
        for count, step in enumerate(found[number].steps, start=1)
    ]
    guided = found[0].latents is not None
    return {"name": name, "guided": guided, "fused": _view(found[0].fused, channels), "scales": packed, "maps": steps}


def _pack_scale(number: int, found: Refinement, channels: Sequence[int]) -> dict[str, Any]:
    return {
        "scale": number,
        "features": _view(found.raw, channels),
        "latents": found.latents,
        "raw": pack(found.from_raw.numpy(), "uint8"),
        "refined": pack(found.from_attention.numpy(), "uint8"),
    }


def _pack_step(step: Step, channels: Sequence[int]) -> dict[str, Any]:
    rebuilt = None if step.rebuilt is None else _view(step.rebuilt, channels)
    passed = None if step.rebuilt is None else _view(step.passed, channels)
    return {"features": _view(step.features, channels), "rebuilt": rebuilt, "passed": passed, "error": step.error}


def _view(features: Tensor, channels: Sequence[int]) -> dict[str, Any]:
    """Norm over the channels of (C, h, w), then single channels, each in 256 steps of its own."""
    numbers = features.double().numpy()
    stack = np.stack([np.sqrt((numbers**2).sum(0)), *(numbers[channel] for channel in channels)])
    low, high = stack.min((1, 2)), stack.max((1, 2))
    span = np.where(high > low, high - low, 1)[:, None, None]
    steps = np.round(255 * (stack - low[:, None, None]) / span).astype(np.uint8)
    return {"steps": pack_pictures(steps), "low": low.tolist(), "high": high.tolist()}


def values(view: dict[str, Any], number: int) -> np.ndarray:
    """Return one picture of a packed step, float64 (h, w): 0 is the norm, then the single channels."""
    low, high = view["low"][number], view["high"][number]
    return low + (high - low) * unpack(view["steps"])[number] / 255
