"""A network's weights on disk: safetensors for the numbers, JSON for what they mean."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from guided_attention.data.volume import CLASSES
from guided_attention.errors import CheckpointError
from guided_attention.files import read_json, write_text

__all__ = ["ModelSpec", "load_network", "load_weights", "read_tensors", "save_network", "save_weights"]


@dataclass(frozen=True)
class ModelSpec:
    """What it takes to build a network again and to feed it.

    Parameters
    ----------
    name : str
        One of `guided_attention.models.MODELS`.
    options : dict
        Further arguments of `build_model`.
    inputs : dict
        The `InputSettings` it was trained with.
    in_channels : int
        Channels of the image.
    classes : tuple of str
        Names of the classes, background first.
    notes : dict
        Where the weights come from: data set, preset, fold, seed, epoch.
    """

    name: str
    options: dict[str, Any]
    inputs: dict[str, Any]
    in_channels: int = 1
    classes: tuple[str, ...] = CLASSES
    notes: dict[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Build the network with fresh weights."""
        from guided_attention.models import build_model

        options = {k: tuple(v) if isinstance(v, list) else v for k, v in self.options.items()}
        return build_model(self.name, self.in_channels, len(self.classes), **options)


def save_network(path: str | Path, model: nn.Module, spec: ModelSpec) -> Path:
    """Write weights to ``path`` (.safetensors) and the spec to the same name with .json; return the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    save_weights(model, temporary)
    write_text(path.with_suffix(".json"), json.dumps(asdict(spec), indent=2) + "\n")
    os.replace(temporary, path)
    return path


def load_network(path: str | Path, device: str = "cpu") -> tuple[nn.Module, ModelSpec]:
    """Build a trained network from what `save_network` wrote.

    Parameters
    ----------
    path : path
        The .safetensors file, or the folder of a run, in which it is called ``model.safetensors``.
    device : str
        Where to put it.

    Returns
    -------
    (nn.Module, ModelSpec)
        In evaluation mode.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or weights and description do not fit each other.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "model.safetensors"
    found = read_json(path.with_suffix(".json"))
    try:
        spec = ModelSpec(**{**found, "classes": tuple(found["classes"])})
    except (TypeError, KeyError) as error:
        raise CheckpointError(f"{path.with_suffix('.json')}: not the description of a network ({error}).") from error
    model = spec.build()
    load_weights(model, path)
    return model.eval().to(device), spec


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a .safetensors file, or raise a `CheckpointError` that names it."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error}); it is damaged. Delete its folder to go on without it."
        ) from error


def load_weights(model: nn.Module, path: Path) -> None:
    """Copy the weights of a file into a network, in place; a `CheckpointError` if they do not fit."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected a network's weights.")
    found, own = read_tensors(path), _weights(model)
    differing = [name for name in {**own, **found} if _shape(own.get(name)) != _shape(found.get(name))]
    if differing:
        raise CheckpointError(
            f"{path}: these weights belong to another network: {len(differing)} of {len(own)} differ in name or shape, "
            f"for example {', '.join(differing[:3])}."
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(found[name])


def save_weights(model: nn.Module, path: Path) -> None:
    """Write parameters and buffers to a .safetensors file; not atomic, see `save_network`."""
    save_file({name: value.contiguous() for name, value in _weights(model).items()}, str(path))
    path.chmod(0o644)  # safetensors keeps everybody else out


def _weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name; a module that stands in several places (shared encoders) counts once."""
    kept = set(model.state_dict())
    named = (*model.named_parameters(), *model.named_buffers())
    return {name: value.detach() for name, value in named if name in kept}


def _shape(value: torch.Tensor | None) -> torch.Size | None:
    return None if value is None else value.shape
