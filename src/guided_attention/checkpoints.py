"""Weights on disk: safetensors for numbers, JSON for words, and nothing half-written.

A checkpoint is a folder ``epoch-0007``. It is written under another name and renamed when complete, so that a folder
of that name is always whole: a run killed at any moment finds its last complete epoch.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

from guided_attention.errors import CheckpointError

__all__ = [
    "ModelSpec",
    "latest_checkpoint",
    "load_checkpoint",
    "load_network",
    "prune_checkpoints",
    "read_json",
    "save_checkpoint",
    "save_network",
    "write_text",
]

_PREFIX = "epoch-"


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
    classes: tuple[str, ...] = ("background", "liver", "kidney_right", "kidney_left", "spleen")
    notes: dict[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Build the network with fresh weights."""
        from guided_attention.models import build_model

        options = {k: tuple(v) if isinstance(v, list) else v for k, v in self.options.items()}
        return build_model(self.name, self.in_channels, len(self.classes), **options)


def write_text(path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_json(path: Path) -> Any:
    """Read JSON, or raise a `CheckpointError` that names the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; expected the JSON written beside the weights.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error}); the file is damaged.") from error


def save_network(path: str | Path, model: nn.Module, spec: ModelSpec) -> Path:
    """Write weights to ``path`` (.safetensors) and the spec to the same name with .json; return the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    _save_weights(model, temporary)
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
    _load_weights(model, path)
    return model.eval().to(device), spec


def save_checkpoint(folder: Path, epoch: int, model: nn.Module, optimizer: Optimizer, state: dict[str, Any]) -> Path:
    """Write ``folder/epoch-NNNN`` with weights, optimiser and state; whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{_PREFIX}{epoch:04d}"
    temporary = folder / f".{final.name}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    _save_weights(model, temporary / "model.safetensors")
    tensors, groups = _flatten(optimizer)
    save_file(tensors, str(temporary / "optimizer.safetensors"))
    write_text(temporary / "state.json", json.dumps({**state, "epoch": epoch, "optimizer": groups}, indent=1))
    _sync(temporary)
    if final.exists():
        shutil.rmtree(final)
    os.replace(temporary, final)
    return final


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the whole checkpoint of the highest epoch, or None."""
    return max(folder.glob(f"{_PREFIX}[0-9]*"), default=None)


def prune_checkpoints(folder: Path, keep: set[int]) -> None:
    """Delete all checkpoints but those of the given epochs."""
    for found in folder.glob(f"{_PREFIX}[0-9]*"):
        if int(found.name.removeprefix(_PREFIX)) not in keep:
            shutil.rmtree(found)


def load_checkpoint(path: Path, model: nn.Module, optimizer: Optimizer | None = None) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote into a model (and optimiser) and return its state.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or belongs to another network.
    """
    state = read_json(path / "state.json")
    _load_weights(model, path / "model.safetensors")
    if optimizer is not None:
        _restore(optimizer, _read(path / "optimizer.safetensors"), state["optimizer"], path)
    return state


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error}); it is damaged. Delete its folder to go on without it."
        ) from error


def _load_weights(model: nn.Module, path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected a network's weights.")
    found, own = _read(path), _weights(model)
    differing = [name for name in {**own, **found} if _shape(own.get(name)) != _shape(found.get(name))]
    if differing:
        raise CheckpointError(
            f"{path}: these weights belong to another network: {len(differing)} of {len(own)} differ in name or shape, "
            f"for example {', '.join(differing[:3])}."
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(found[name])


def _save_weights(model: nn.Module, path: Path) -> None:
    save_file({name: value.contiguous() for name, value in _weights(model).items()}, str(path))


def _weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name; a module that stands in several places (shared encoders) counts once."""
    kept = set(model.state_dict())
    named = (*model.named_parameters(), *model.named_buffers())
    return {name: value.detach() for name, value in named if name in kept}


def _shape(value: torch.Tensor | None) -> torch.Size | None:
    return None if value is None else value.shape


def _flatten(optimizer: Optimizer) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    state = optimizer.state_dict()
    tensors = {
        f"{index}.{name}": value.contiguous()
        for index, values in state["state"].items()
        for name, value in values.items()
    }
    return tensors, state["param_groups"]


def _restore(optimizer: Optimizer, tensors: dict[str, torch.Tensor], groups: list[dict], path: Path) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    for group in groups:
        group["betas"] = tuple(group["betas"])
    try:
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except ValueError as error:
        raise CheckpointError(f"{path}: its optimiser belongs to another network ({error}).") from error


def _sync(folder: Path) -> None:
    for entry in (*folder.iterdir(), folder):
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
