"""Queries and keys on their way to the browser, and what is read off one row of a position attention map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from guided_attention.models import PositionMaps
from guided_attention.models.attention import attention_weights
from guided_attention.widgets.shared.pack import pack, pack_rows, unpack

__all__ = ["TOLERANCE", "RowSummary", "pack_maps", "position_of", "row_of", "summarise"]

#: Largest error that 16 bits may cause in any weight of any row; where it would be larger, float32 is sent.
TOLERANCE = 2.5e-4


@dataclass(frozen=True)
class RowSummary:
    """One row of a position attention map in a few numbers.

    Parameters
    ----------
    entropy : float
        In bits: log2 N if all N positions get the same, 0 if one gets everything.
    half : int
        The effective receptive field: the smallest number of positions that hold half of the attention.
    distance : float
        Mean distance of those positions from the one that asks, in mm (pixels where the spacing is unknown).
    """

    entropy: float
    half: int
    distance: float


def summarise(row: np.ndarray, at: tuple[int, int], pitch: tuple[float, float] = (1.0, 1.0)) -> RowSummary:
    """Summarise one row.

    Parameters
    ----------
    row : ndarray, (h, w)
        Weights, which add up to 1.
    at : (row, col)
        The position that asks, on the map.
    pitch : (height, width)
        Of a position, in mm.
    """
    flat = row.astype(np.float64).ravel()
    order = np.argsort(-flat, kind="stable")
    half = order[: int(np.searchsorted(np.cumsum(flat[order]), 0.5)) + 1]
    rows, cols = np.divmod(half, row.shape[1])
    distance = np.hypot((rows - at[0]) * pitch[0], (cols - at[1]) * pitch[1]).mean()
    positive = flat[flat > 0]
    return RowSummary(float(-(positive * np.log2(positive)).sum()), len(half), float(distance))


def pack_maps(maps: PositionMaps) -> dict[str, Any]:
    """Return queries and keys of the first image of a batch, as small as `TOLERANCE` allows.

    Keys are sent less their mean: that adds the same to all products of a query, so the softmax stays what it is,
    and smaller numbers are rounded less.

    Parameters
    ----------
    maps : PositionMaps
        Of one module.

    Returns
    -------
    dict
        ``query`` and ``key`` (packed, (d, N)), ``grid``, ``lam``, and ``error``: the largest difference that the
        rounding makes in any weight.
    """
    query, key = (values[0].detach().to("cpu", torch.float32) for values in (maps.query, maps.key))
    centred = key - key.mean(-1, keepdim=True)
    sent = [pack_rows(values.numpy()) for values in (query, centred)]
    error = _rounding(query, key, *(torch.from_numpy(unpack(values)).float() for values in sent))
    if not error <= TOLERANCE:
        sent, error = [pack(values.numpy(), "float32") for values in (query, centred)], 0.0
    return {"query": sent[0], "key": sent[1], "grid": list(maps.grid), "lam": maps.lam, "error": error}


def position_of(pixel: Sequence[int], size: Sequence[int], grid: Sequence[int]) -> tuple[int, int]:
    """Return which position (row, col) of a grid lies over a pixel of an image, as ``positionOf`` of attention.js."""
    return tuple(pixel[axis] * grid[axis] // size[axis] for axis in (0, 1))


def row_of(packed: dict[str, Any], at: tuple[int, int], temperature: float = 1.0) -> np.ndarray:
    """Return what one position attends to (eq. 2), float64 (h, w), from the numbers that the browser has.

    Parameters
    ----------
    packed : dict
        What `pack_maps` returned.
    at : (row, col)
        The position that asks, on the map.
    temperature : float
        Divides the products before the softmax.
    """
    query, key = (unpack(packed[name]).astype(np.float64) for name in ("query", "key"))
    logits = query[:, at[0] * packed["grid"][1] + at[1]] @ key / temperature
    powers = np.exp(logits - logits.max())
    return (powers / powers.sum()).reshape(packed["grid"])


def _rounding(query: Tensor, key: Tensor, sent_query: Tensor, sent_key: Tensor, block: int = 512) -> float:
    """Largest difference between rows of (d, N) and those of what is sent, a block of rows at a time."""
    worst = 0.0
    for start in range(0, query.shape[1], block):
        asking = slice(start, start + block)
        exact = attention_weights(query[None, :, asking], key[None])
        rounded = attention_weights(sent_query[None, :, asking], sent_key[None])
        worst = max(worst, float((exact - rounded).abs().max()))
    return worst
