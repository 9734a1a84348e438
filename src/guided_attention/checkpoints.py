"""The state of a training run on disk: safetensors for numbers, JSON for words, and nothing half-written.

A checkpoint is a folder ``epoch-0007``. It is written under another name and renamed when complete, and renamed again
before it is deleted, so that a folder of that name is always whole: a run killed at any moment finds its last complete
epoch. Chapter *Training the network*.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer

from guided_attention.errors import CheckpointError
from guided_attention.files import read_json, write_text
from guided_attention.weights import load_weights, read_tensors, save_weights

__all__ = ["latest_checkpoint", "load_checkpoint", "prune_checkpoints", "save_checkpoint"]

_NAME = re.compile(r"epoch-(\d{4,})")


def save_checkpoint(folder: Path, epoch: int, model: nn.Module, optimizer: Optimizer, state: dict[str, Any]) -> Path:
    """Write ``folder/epoch-NNNN`` with weights, optimiser and state (plain JSON types); whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"epoch-{epoch:04d}"
    temporary = folder / f".{final.name}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    save_weights(model, temporary / "model.safetensors")
    tensors, groups = _flatten(optimizer)
    save_file(tensors, str(temporary / "optimizer.safetensors"))
    write_text(temporary / "state.json", json.dumps({**state, "epoch": epoch, "optimizer": groups}, indent=1))
    _sync(*temporary.iterdir(), temporary)
    if final.exists():
        _delete(final)
    os.replace(temporary, final)
    _sync(folder)
    return final


def latest_checkpoint(folder: Path) -> Path | None:
    """Return the whole checkpoint of the highest epoch, or None."""
    found = _whole(folder)
    return found[max(found)] if found else None


def prune_checkpoints(folder: Path, keep: set[int]) -> None:
    """Delete all checkpoints but those of the given epochs, and what a killed run left half written or deleted."""
    for epoch, found in _whole(folder).items():
        if epoch not in keep:
            _delete(found)
    for left in folder.glob(".epoch-*"):
        shutil.rmtree(left)


def load_checkpoint(path: Path, model: nn.Module, optimizer: Optimizer | None = None) -> dict[str, Any]:
    """Load what `save_checkpoint` wrote into a model (and optimiser) and return its state.

    Raises
    ------
    CheckpointError
        If a file is missing or damaged, or belongs to another network.
    """
    state = read_json(path / "state.json")
    missing = {"epoch", "optimizer"} - set(state if isinstance(state, dict) else ())
    if missing:
        raise CheckpointError(f"{path / 'state.json'}: {' and '.join(sorted(missing))} missing; the file is damaged.")
    load_weights(model, path / "model.safetensors")
    if optimizer is not None:
        _restore(optimizer, read_tensors(path / "optimizer.safetensors"), state["optimizer"], path)
    return state


def _whole(folder: Path) -> dict[int, Path]:
    """Checkpoints by epoch; a copy that somebody made by hand (``epoch-0007 old``) is none."""
    return {int(match[1]): path for path in folder.glob("epoch-*") if (match := _NAME.fullmatch(path.name))}


def _delete(checkpoint: Path) -> None:
    # Deleting a folder takes several steps, renaming it one: half deleted, it must not be called a checkpoint.
    doomed = checkpoint.with_name(f".{checkpoint.name}.old")
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(checkpoint, doomed)
    shutil.rmtree(doomed)


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


def _sync(*paths: Path) -> None:
    for entry in paths:
        handle = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
