"""Named tensors in a .safetensors file: finite numbers of the right type, or an error that names the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from guided_attention.errors import CheckpointError, DamagedError, NotFiniteError
from guided_attention.files import digest

__all__ = ["as_bytes", "load_weights", "not_finite", "read_tensors", "read_weights", "weights_of"]


def read_tensors(path: Path, written: str | None = None) -> dict[str, Tensor]:
    """Read a .safetensors file.

    Parameters
    ----------
    path : path
        The file.
    written : str, optional
        Its `guided_attention.files.digest` when it was written.

    Raises
    ------
    DamagedError
        If it is missing, cannot be read, differs from its digest, or holds NaN or infinity.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path}: cannot be read ({error.strerror or error}).") from error
    if written is not None and digest(content) != written:
        raise DamagedError(f"{path}: is damaged: its content is not what was written (the digests differ).")
    try:
        tensors = load(content)
    except (SafetensorError, KeyError, ValueError) as error:  # the latter two: a type that torch does not have
        raise DamagedError(f"{path}: cannot be read ({error}); it is damaged.") from error
    bad = not_finite(tensors)
    if bad:
        raise DamagedError(f"{path}: expected finite numbers, found NaN or infinity in {_some(bad)}.")
    return tensors


def read_weights(model: nn.Module, path: Path, written: str | None = None) -> dict[str, Tensor]:
    """Read the weights of a file and see that they are those of a network, which stays as it is.

    A network in single precision takes weights stored in half precision; any other number type must be its own.

    Parameters
    ----------
    model : nn.Module
        The network.
    path : path
        The .safetensors file.
    written : str, optional
        As for `read_tensors`.

    Raises
    ------
    DamagedError
        As `read_tensors`, or if the numbers are of another type.
    CheckpointError
        If the weights are those of another network.
    """
    found, own = read_tensors(path, written), weights_of(model)
    differing = [name for name in {**own, **found} if _shape(own.get(name)) != _shape(found.get(name))]
    if differing:
        raise CheckpointError(
            f"{path}: these weights belong to another network: {len(differing)} of {len(own)} differ in name or shape, "
            f"for example {', '.join(differing[:3])}."
        )
    for name, value in own.items():
        allowed = (value.dtype, torch.float16) if value.dtype == torch.float32 else (value.dtype,)
        if found[name].dtype not in allowed:
            raise DamagedError(
                f"{path}: expected {name} as {' or '.join(map(str, allowed))}, found {found[name].dtype}: is damaged."
            )
    return found


def load_weights(model: nn.Module, path: Path, written: str | None = None) -> None:
    """Copy the weights of a file into a network, in place; arguments and errors as for `read_weights`."""
    found = read_weights(model, path, written)
    with torch.no_grad():
        for name, value in weights_of(model).items():
            value.copy_(found[name])


def as_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the content of a .safetensors file; a `NotFiniteError` names tensors with NaN or infinity."""
    bad = not_finite(tensors)
    if bad:
        raise NotFiniteError(f"there is NaN or infinity in {_some(bad)}; it is not written.")
    return save({name: value.contiguous() for name, value in tensors.items()})


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors that hold NaN or infinity."""
    return [name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name; a module that stands in several places (shared encoders) counts once."""
    kept = set(model.state_dict())
    named = (*model.named_parameters(), *model.named_buffers())
    return {name: value.detach() for name, value in named if name in kept}


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _shape(value: Tensor | None) -> torch.Size | None:
    return None if value is None else value.shape
