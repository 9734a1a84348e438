"""What happens inside the refinement of every scale (Fig. 3 of the paper), and how it goes to the browser.

`refinements` captures it in one run of a network; `pack_network` makes pictures in 256 steps, queries and keys, and
predictions of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.errors import SettingsError
from guided_attention.evaluation.predict import evaluating
from guided_attention.models import MultiScaleAttentionNet, capture_positions
from guided_attention.models.guidance import ScaleFeatures
from guided_attention.training.losses import guided_loss, reconstruction_loss
from guided_attention.widgets.shared.inputs import device_of, place_of
from guided_attention.widgets.shared.pack import pack, pack_pictures, unpack
from guided_attention.widgets.shared.rows import pack_maps

__all__ = ["Refinement", "Step", "pack_network", "refinements", "values"]


@dataclass(eq=False)
class Step:
    """One attention step of one scale.

    Parameters
    ----------
    features : Tensor, (C, h, w)
        What the attention modules return.
    rebuilt : Tensor, (C', h, w), or None
        What the decoder makes of the step's input; None without guidance.
    passed : Tensor, (C, h, w)
        What goes on: the features, multiplied by the gate made of ``rebuilt`` where the step is guided.
    error : float or None
        The step's term of eq. 7, averaged over the elements.
    """

    features: Tensor
    rebuilt: Tensor | None = None
    passed: Tensor | None = None
    error: float | None = None


@dataclass(eq=False)
class Refinement:
    """One scale.

    Parameters
    ----------
    raw, fused : Tensor, (C, h, w)
        F'_s and F_MS.
    steps : list of Step
    latents : float or None
        Eq. 6, averaged over the elements; None without guidance.
    from_raw, from_attention : Tensor of uint8, (H, W)
        Classes that the scale's two heads predict.
    """

    raw: Tensor
    fused: Tensor
    steps: list[Step] = field(default_factory=list)
    latents: float | None = None
    from_raw: Tensor | None = None
    from_attention: Tensor | None = None


@torch.no_grad()
def refinements(model: nn.Module, x: Tensor, name: str = "network") -> list[Refinement]:
    """Run a network once and return what every scale did, from scale 0.

    Parameters
    ----------
    model : nn.Module
        A `MultiScaleAttentionNet` with two steps; it is run in evaluation mode and left as it was.
    x : Tensor, (1, C, H, W)
    name : str
        Of the network, for the error.

    Raises
    ------
    SettingsError
        If the network is another, or has one step.
    """
    counts = {len(getattr(scale, "steps", ())) for scale in getattr(model, "scales", ())}
    if not isinstance(model, MultiScaleAttentionNet) or counts != {2}:
        ours = isinstance(model, MultiScaleAttentionNet)
        what = f"{type(model).__name__} with one step" if ours else type(model).__name__
        raise SettingsError(
            f"model {name!r}: the refinement stepper needs a network of the family with two attention steps "
            f"(ms-dual or ms-dual-guided), found {what}."
        )
    calls: dict[nn.Module, tuple[Any, Any]] = {}

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        calls[module] = (inputs, output)

    own = [part for scale in model.scales for part in (scale, *scale.steps, *scale.gates)]
    hooks = [part.register_forward_hook(keep) for part in own]
    try:
        with evaluating(model):
            model(x.to(device_of(model)))
    finally:
        for hook in hooks:
            hook.remove()
    size = tuple(x.shape[2:])
    return [_scale(model, number, calls, size) for number in range(len(model.scales))]


def _scale(model: MultiScaleAttentionNet, number: int, calls: dict, size: tuple[int, int]) -> Refinement:
    scale = model.scales[number]
    (raw, fused), output = calls[scale]
    found = Refinement(raw[0].cpu(), fused[0].cpu(), _steps(scale, calls, output))
    if output.latents is not None:
        found.latents = float(guided_loss(*output.latents))
    found.from_raw = _classes(model.raw_heads[number], raw, size)
    found.from_attention = _classes(model.attention_heads[number], output.attention, size)
    return found


def _steps(scale: nn.Module, calls: dict, output: ScaleFeatures) -> list[Step]:
    steps = []
    for number, module in enumerate(scale.steps):
        features = calls[module][1]
        if not scale.guided:
            steps.append(Step(features[0].cpu(), passed=features[0].cpu()))
            continue
        pair = output.reconstructions[number]
        passed = features * calls[scale.gates[number]][1]
        steps.append(Step(features[0].cpu(), pair[1][0].cpu(), passed[0].cpu(), float(reconstruction_loss([pair]))))
    return steps


def _classes(head: nn.Module, features: Tensor, size: tuple[int, int]) -> Tensor:
    logits = functional.interpolate(head(features), size=size, mode="bilinear", align_corners=False)
    return logits[0].argmax(0).to("cpu", torch.uint8)


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
