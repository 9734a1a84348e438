"""Where a widget of attention opens: on what says most about the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from guided_attention.errors import SettingsError
from guided_attention.widgets.shared.inputs import foreground, middle_of
from guided_attention.widgets.shared.rows import position_of, row_of

__all__ = ["FirstChannel", "FirstView", "bits_on", "coverage", "first_channel", "first_view"]

#: Views this close to the best are as good, and the first of them is taken, however they round. In bits, and in what
#: `first_channel` multiplies.
_EVEN, _EVEN_CHANNELS = 0.05, 0.005


@dataclass(frozen=True)
class FirstView:
    """Scale and step of a map, and the pixel (row, col) that asks."""

    position: tuple[int, int]
    scale: int = 0
    step: int = 1


@dataclass(frozen=True)
class FirstChannel:
    """Scale and step of a map, the channel that listens, and the one that it listens to."""

    channel: int
    other: int
    scale: int
    step: int


def first_view(
    maps: Sequence[dict[str, Any]],
    grey: np.ndarray,
    labels: np.ndarray | None = None,
    at: tuple[int, int] | None = None,
) -> FirstView:
    """Choose scale, step and asking position.

    The middle of each organ asks in each map. Taken is the view with most `bits_on` the organs, times the map's
    lambda, because the network multiplies by it what was attended to. So attention is far from uniform there, lies on
    the patient and not on the table, and is not thrown away. Where nobody has labelled an organ inside the body, the
    middle of the body asks, and attention should lie on the body. Nearly equal views keep the order of ``maps``, and in
    each the larger organ comes first: a network whose maps are all flat opens on the first map and the largest organ.

    Parameters
    ----------
    maps : sequence of dict
        What `guided_attention.widgets.shared.rows.pack_maps` returned, with ``scale`` and ``step``; may be empty.
    grey : ndarray of uint8, (H, W)
        The slice; see `guided_attention.widgets.shared.inputs.grey_values`.
    labels : ndarray of uint8, (H, W), optional
        Reference or prediction.
    at : (row, col), optional
        The pixel that asks, when the caller has chosen it.

    Raises
    ------
    SettingsError
        If ``at`` lies outside the image.
    """
    size, body = grey.shape, foreground(grey)
    organs = np.zeros(size, np.uint8) if labels is None else np.where(body, labels, 0)
    target = organs > 0 if organs.any() else body
    askers = _middles(organs, body) if at is None else [(int(at[0]), int(at[1]))]
    if not all(0 <= place < length for place, length in zip(askers[0], size, strict=True)):
        raise SettingsError(f"at={askers[0]} lies outside the image of {size} pixels.")
    views = []
    for found, used in zip(maps, _used(maps), strict=True):
        covered = coverage(target, found["grid"])
        for pixel in askers:
            bits = bits_on(row_of(found, position_of(pixel, size, found["grid"])), covered)
            views.append((used * bits, FirstView(pixel, found["scale"], found["step"])))
    most = max((bits for bits, _ in views), default=0.0)
    return next((view for bits, view in views if bits > most - _EVEN), FirstView(askers[0]))


def first_channel(maps: Sequence[dict[str, Any]], grey: np.ndarray, channel: int | None = None) -> FirstChannel:
    """Choose scale, step and a pair of channels.

    A channel that listens to itself shows nothing. So of all pairs of two channels the one is taken that has most of:
    the weight that the first gives to the second, times what the picture of either shows of the body (of the two, the
    less), times the map's lambda. A picture, from 0 to 1, shows much of the body if its standard deviation there is
    large and if most of its light lies there. Of nearly equal pairs the first wins.

    Parameters
    ----------
    maps : sequence of dict
        ``scale``, ``step``, ``lam``, ``weights`` (C, C): a row for each that listens, and ``pictures`` of uint8
        (C, h, w).
    grey : ndarray of uint8, (H, W)
        The slice.
    channel : int, optional
        The one that listens, when the caller has chosen it.
    """
    body = foreground(grey)
    pairs = []
    for found, used in zip(maps, _used(maps), strict=True):
        shown = _shown(found["pictures"] / 255, body)
        worth = used * found["weights"] * np.minimum(shown[:, None], shown)
        apart = ~np.eye(len(worth), dtype=bool)
        if channel is not None:
            apart &= np.arange(len(worth))[:, None] == channel
        pairs.append(np.where(apart, worth, -1.0))
    most = max(worth.max() for worth in pairs)
    number = next(number for number, worth in enumerate(pairs) if worth.max() > most - _EVEN_CHANNELS)
    first, second = divmod(int(np.argmax(pairs[number] > most - _EVEN_CHANNELS)), len(pairs[number]))
    return FirstChannel(first, second, maps[number]["scale"], maps[number]["step"])


def bits_on(row: np.ndarray, covered: np.ndarray) -> float:
    """Return how much of a row's distance from uniform attention lies on a region, in bits.

    A row s over N positions is log2 N less its entropy away from uniform attention: the sum of s_i log2(N s_i), its
    Kullback-Leibler divergence. Here each position counts as far as the region covers it. So attention beside the
    region adds nothing, and the sum falls below zero where the region gets less than its share.

    Parameters
    ----------
    row : ndarray, (h, w)
        Weights, which add up to 1.
    covered : ndarray, (h, w)
        From 0 to 1; see `coverage`.
    """
    times = np.maximum(row * row.size, np.finfo(float).tiny)
    return float((covered * row * np.log2(times)).sum())


def coverage(mask: np.ndarray, grid: Sequence[int]) -> np.ndarray:
    """Return the share of the pixels of each position that belong to a mask, float64 (h, w).

    Parameters
    ----------
    mask : ndarray of bool, (H, W)
    grid : (h, w)
    """
    rows, cols = (axis * grid[place] // mask.shape[place] for place, axis in enumerate(np.indices(mask.shape)))
    inside, pixels = np.zeros(grid), np.zeros(grid)
    np.add.at(inside, (rows, cols), mask)
    np.add.at(pixels, (rows, cols), 1)
    return inside / np.maximum(pixels, 1)


def _shown(pictures: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Return what each of several pictures (C, h, w) shows of the body: contrast, times its share of the light."""
    covered = coverage(body, pictures.shape[1:])
    lit = (pictures * covered).sum((1, 2))
    mean = lit / max(covered.sum(), 1)
    variance = ((pictures - mean[:, None, None]) ** 2 * covered).sum((1, 2)) / max(covered.sum(), 1)
    return np.sqrt(variance) * lit / np.maximum(pictures.sum((1, 2)), 1)


def _middles(organs: np.ndarray, body: np.ndarray) -> list[tuple[int, int]]:
    """Return the middle of each organ, the largest first; without organs that of the body."""
    counts = np.bincount(organs.ravel())[1:]
    order = [value + 1 for value in np.argsort(-counts, kind="stable") if counts[value]]
    return [middle_of(organs == value, body.shape) for value in order] or [middle_of(body, body.shape)]


def _used(maps: Sequence[dict[str, Any]]) -> list[float]:
    """Return how much of each map the network uses: its lambda over the largest; 1 where all are 0."""
    sizes = [abs(found["lam"]) for found in maps]
    most = max(sizes, default=0.0)
    return [size / most if most else 1.0 for size in sizes]
