"""What scans differ in, drawn anew for every slice: MONAI's transforms, seeded (chapter *Training the network*)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from guided_attention.errors import SettingsError

__all__ = ["Variation"]

_BOTH = ("image", "labels")


@dataclass(frozen=True)
class Variation:
    """Augmentation beyond the paper's: patients lie, breathe and shine differently, and coils do not light evenly.

    Nothing is mirrored, because the side of the body tells the kidneys apart. Each part is drawn by itself; 0 as its
    strength leaves it out. The transforms are MONAI's.

    Parameters
    ----------
    rotation : float
        Largest angle in degrees, 0 to 180.
    zoom : float
        Largest change of size, as a share, below 1.
    place_probability : float
        Chance that a slice is rotated and zoomed.
    elastic : float
        Largest shift, in pixels, of a grid of control points one sixth of the picture apart.
    gamma : float
        Greys, from 0 to 1 between a slice's darkest and brightest, are raised to a power from 1 / (1 + gamma) to
        1 + gamma.
    bias : float
        Largest coefficient of a polynomial of degree 3 whose exponential multiplies the greys: an uneven coil.
    noise : float
        Largest standard deviation of Gaussian noise, in units of normalised grey.
    probability : float
        Chance of each of the last four.

    Raises
    ------
    SettingsError
        If a number is out of range.
    """

    rotation: float = 15.0
    zoom: float = 0.15
    place_probability: float = 0.5
    elastic: float = 0.0
    gamma: float = 0.4
    bias: float = 0.2
    noise: float = 0.05
    probability: float = 0.3

    def __post_init__(self) -> None:
        highest = {"rotation": 180.0, "zoom": 0.9, "place_probability": 1.0, "probability": 1.0}
        for name in ("rotation", "zoom", "place_probability", "elastic", "gamma", "bias", "noise", "probability"):
            limit = highest.get(name, math.inf)
            if not 0 <= getattr(self, name) <= limit:
                raise SettingsError(f"Variation: {name}={getattr(self, name)} must be 0 to {limit:g}.")

    def vary(self, image: Tensor, labels: Tensor, seed: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Do to one slice what its seed draws.

        Parameters
        ----------
        image : Tensor, float32, (C, S, S)
            Interpolated linearly; what comes in from outside repeats the edge.
        labels : Tensor, uint8, (S, S)
            Nearest neighbour.
        seed : sequence of int
            Everything that is drawn follows from it.

        Returns
        -------
        image, labels : Tensor
            Of the same types and shapes.
        """
        steps = _transforms(self, image.shape[-1])
        draws = np.random.default_rng(tuple(seed)).integers(2**32, size=len(steps))
        slices: dict[str, Any] = {"image": image, "labels": labels[None].float()}
        for step, draw in zip(steps, draws, strict=True):
            step.set_random_state(int(draw))
            slices = step(slices)
        moved, mask = (torch.as_tensor(slices[name]) for name in _BOTH)
        plain = moved.as_subclass(Tensor)
        return plain.to(image.dtype), mask.as_subclass(Tensor)[0].to(labels.dtype)


@lru_cache(maxsize=8)
def _transforms(variation: Variation, size: int) -> tuple[Any, ...]:
    from monai import transforms  # heavy, and not on every machine that trains

    drawn = {"mode": ("bilinear", "nearest"), "padding_mode": "border"}
    steps: list[Any] = []
    if variation.rotation or variation.zoom:
        steps.append(
            transforms.RandAffined(
                _BOTH,
                prob=variation.place_probability,
                rotate_range=math.radians(variation.rotation),
                scale_range=variation.zoom,
                **drawn,
            )
        )
    if variation.elastic:
        steps.append(
            transforms.Rand2DElasticd(
                _BOTH,
                spacing=(size / 6, size / 6),
                magnitude_range=(0.0, variation.elastic),
                prob=variation.probability,
                **drawn,
            )
        )
    if variation.gamma:
        powers = (1 / (1 + variation.gamma), 1 + variation.gamma)
        steps.append(transforms.RandAdjustContrastd("image", prob=variation.probability, gamma=powers))
    if variation.bias:
        field = {"degree": 3, "coeff_range": (-variation.bias, variation.bias)}
        steps.append(transforms.RandBiasFieldd("image", prob=variation.probability, **field))
    if variation.noise:
        steps.append(
            transforms.RandGaussianNoised("image", prob=variation.probability, std=variation.noise, sample_std=True)
        )
    return tuple(steps)
