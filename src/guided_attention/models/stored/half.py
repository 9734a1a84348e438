"""Weights in half precision, to be downloaded: half as large, and computed with in single precision as before."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from guided_attention.errors import SettingsError
from guided_attention.models.stored.tensors import as_bytes, weights_of
from guided_attention.models.stored.weights import ModelSpec, write_network

__all__ = ["halved", "save_half", "stored"]


def halved(model: nn.Module) -> nn.Module:
    """Return a copy whose matrices and kernels are rounded to half precision, as `save_half` stores them.

    It computes in single precision as before. Vectors (biases, batch norm) stay as they are: they are few, and a
    variance may be smaller than half precision can hold.

    Raises
    ------
    SettingsError
        If a weight is beyond the range of half precision.
    """
    copy = deepcopy(model).eval()
    with torch.no_grad():
        for name, value in copy.named_parameters():
            value.copy_(_rounded(name, value))
    return copy


def save_half(path: str | Path, model: nn.Module, spec: ModelSpec) -> Path:
    """Write a network as `save_network` does, but about half as large; see `halved`. `load_network` reads it.

    Parameters
    ----------
    path : path
        The .safetensors file; the spec goes into the same name with .json.
    model, spec
        The network, and how to build it.

    Returns
    -------
    Path

    Raises
    ------
    SettingsError
        If a weight is beyond the range of half precision.
    NotFiniteError
        If a weight is NaN or infinite.
    """
    return write_network(Path(path), stored(model), spec)


def stored(model: nn.Module) -> bytes:
    """Return the content of a .safetensors file with a network's parameters and buffers; see `halved`."""
    return as_bytes({name: _rounded(name, value, store=True) for name, value in weights_of(model).items()})


def _rounded(name: str, value: Tensor, store: bool = False) -> Tensor:
    value = value.detach()
    if value.ndim < 2 or value.dtype != torch.float32:
        return value.contiguous()
    half = value.half()
    if value.isfinite().all() and not half.isfinite().all():
        raise SettingsError(f"{name} holds {value.abs().max():.3g}; half precision ends at 65504.")
    return half.contiguous() if store else half.float()
