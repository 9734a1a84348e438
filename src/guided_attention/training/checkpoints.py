"""The state of a training run on disk: safetensors for numbers, JSON for words, and nothing half-written.

A checkpoint is a folder ``epoch-0007``. It is written under another name and renamed when complete, and renamed again
before it is deleted, so that a folder of that name is always whole: a run killed at any moment finds its last complete
epoch. Only finite numbers are written, and their digests beside them: what is damaged later is noticed when it is read.
Chapter *Training the network*.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from guided_attention.errors import CheckpointError, DamagedError
from guided_attention.files import digest, read_json, sync_folder, write_bytes
from guided_attention.models.stored.tensors import (
    as_bytes,
    load_weights,
    not_finite,
    read_tensors,
    read_weights,
    weights_of,
)

__all__ = [
    "check_checkpoint",
    "checkpoint_path",
    "diverged_names",
    "latest_checkpoint",
    "load_checkpoint",
    "prune_checkpoints",
    "save_checkpoint",
    "whole_checkpoints",
]

_MODEL, _OPTIMIZER, _STATE, _DIGESTS = "model.safetensors", "optimizer.safetensors", "state.json", "digests.json"
_NAME = re.compile(r"epoch-(\d{4,})")


def save_checkpoint(folder: Path, epoch: int, model: nn.Module, optimizer: Optimizer, state: dict[str, Any]) -> Path:
    """Write ``folder/epoch-NNNN`` with weights, optimiser and state (plain JSON types); whole or not at all.

    Raises
    ------
    NotFiniteError
        If weights or optimiser hold NaN or infinity; nothing is written then.
    """
    tensors, groups = _flatten(optimizer)
    text = json.dumps({**state, "epoch": epoch, "optimizer": groups}, indent=1)
    content = {_MODEL: as_bytes(weights_of(model)), _OPTIMIZER: as_bytes(tensors), _STATE: text.encode("utf-8")}
    digests = {name: digest(written) for name, written in content.items()}
    content[_DIGESTS] = json.dumps(digests, indent=1).encode("utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    final = checkpoint_path(folder, epoch)
    temporary = folder / f".{final.name}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name, written in content.items():
        write_bytes(temporary / name, written)
    sync_folder(temporary)
    if final.exists():
        _delete(final)
    os.replace(temporary, final)
    sync_folder(folder)
    return final


def diverged_names(model: nn.Module, optimizer: Optimizer) -> list[str]:
    """Return the names of weights, buffers and moments of the optimiser that hold NaN or infinity."""
    return not_finite(weights_of(model)) + [f"optimizer.{name}" for name in not_finite(_flatten(optimizer)[0])]


def whole_checkpoints(folder: Path) -> dict[int, Path]:
    """Return checkpoints by epoch; a copy that somebody made by hand (``epoch-0007 old``) is none."""
    return {int(match[1]): path for path in folder.glob("epoch-*") if (match := _NAME.fullmatch(path.name))}


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the whole checkpoint of the highest epoch, or None."""
    found = whole_checkpoints(folder)
    return found[max(found)] if found else None


def prune_checkpoints(folder: Path, keep: set[int]) -> None:
    """Delete all checkpoints but those of the given epochs, and what a killed run left half written or deleted."""
    for epoch, found in whole_checkpoints(folder).items():
        if epoch not in keep:
            _delete(found)
    for left in folder.glob(".epoch-*"):
        shutil.rmtree(left)


def load_checkpoint(path: Path, model: nn.Module, optimizer: Optimizer | None = None) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote into a model (and optimiser) and return its state.

    Raises
    ------
    DamagedError
        If a file is missing, not what was written, or holds NaN or infinity.
    CheckpointError
        If the checkpoint belongs to another network.
    """
    digests, state = _words(path)
    load_weights(model, path / _MODEL, digests.get(_MODEL))
    if optimizer is not None:
        tensors = read_tensors(path / _OPTIMIZER, digests.get(_OPTIMIZER))
        _restore(optimizer, tensors, state["optimizer"], path)
    return state


def check_checkpoint(path: Path, model: nn.Module) -> None:
    """Raise what `load_checkpoint` would raise for a model, and leave the model as it is."""
    digests, _ = _words(path)
    read_weights(model, path / _MODEL, digests.get(_MODEL))


def _words(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Return digests and state; a checkpoint of an older version has no digests."""
    file = path / _STATE
    digests = read_json(path / _DIGESTS) if (path / _DIGESTS).exists() else {}
    if not isinstance(digests, dict) or (digests and set(digests) != {_MODEL, _OPTIMIZER, _STATE}):
        raise DamagedError(f"{path / _DIGESTS}: expected the digests of the other files; it is damaged.")
    if digests and file.exists() and digest(file.read_bytes()) != digests.get(_STATE):
        raise DamagedError(f"{file}: is damaged: its content is not what was written (the digests differ).")
    state = read_json(file)
    missing = {"epoch", "optimizer", "history"} - set(state if isinstance(state, dict) else ())
    if missing:
        raise DamagedError(f"{file}: {' and '.join(sorted(missing))} missing; the file is damaged.")
    if path.name != (isinstance(state["epoch"], int) and checkpoint_path(path.parent, state["epoch"]).name):
        raise DamagedError(f"{path}: holds epoch {state['epoch']}; the folder was renamed or its files were swapped.")
    return digests, state


def checkpoint_path(folder: Path, epoch: int) -> Path:
    """Return where the checkpoint of an epoch lies."""
    return folder / f"epoch-{epoch:04d}"


def _delete(checkpoint: Path) -> None:
    # Deleting a folder takes several steps, renaming it one: half deleted, it must not be called a checkpoint.
    doomed = checkpoint.with_name(f".{checkpoint.name}.old")
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(checkpoint, doomed)
    shutil.rmtree(doomed)


def _flatten(optimizer: Optimizer) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    state = optimizer.state_dict()
    tensors = {f"{index}.{name}": value for index, values in state["state"].items() for name, value in values.items()}
    return tensors, state["param_groups"]


def _restore(optimizer: Optimizer, tensors: dict[str, Tensor], groups: list[dict], path: Path) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    parameters = dict(enumerate(p for group in optimizer.param_groups for p in group["params"]))
    for index, values in state.items():
        own = parameters.get(index)
        for key, value in values.items():
            fits = own is not None and (key == "step" or (value.dtype, value.shape) == (own.dtype, own.shape))
            if not fits or not value.is_floating_point():
                raise DamagedError(
                    f"{path / _OPTIMIZER}: {index}.{key} is {value.dtype} of shape {tuple(value.shape)} and does not "
                    "fit its parameter: it is damaged."
                )
            if key != "step":  # the fused optimiser goes through memory, so moments lie there as their parameter does
                values[key] = torch.empty_like(own).copy_(value)
    for group in groups:
        group["betas"] = tuple(group["betas"])
    try:
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except ValueError as error:
        raise CheckpointError(f"{path}: its optimiser belongs to another network ({error}).") from error
