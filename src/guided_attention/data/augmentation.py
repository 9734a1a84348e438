"""Random rotation and flips of a batch, the same for image and labels (chapter *From scanner to tensor*)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from guided_attention.errors import SettingsError

__all__ = ["Augmentation", "Draw", "as_tensor", "augment"]


@dataclass(frozen=True)
class Draw:
    """What happens to one slice.

    Parameters
    ----------
    angle : float
        Rotation about the centre in degrees; positive turns the picture counter-clockwise as displayed.
    horizontal, vertical : bool
        Whether columns, rows are reversed (after the rotation).
    """

    angle: float = 0.0
    horizontal: bool = False
    vertical: bool = False


@dataclass(frozen=True)
class Augmentation:
    """The paper's augmentation: rotation, flip, mirror, drawn anew each time; the data set does not grow.

    The paper gives no numbers; the released code uses these. *Beware of the flips*: an axial slice mirrored left to
    right shows the liver on the patient's left. The labels move with the pixels, so the kidney on the picture's left
    is called right one time and left the next: the side of the body, which tells them apart, says nothing any more,
    and only the organ beside it does. Turned upside down, a slice has its spine in front. Both are
    kept for parity with the paper, and ``flips=False`` turns both off.

    Parameters
    ----------
    rotation : float
        Largest angle in degrees, 0 to 180; drawn uniformly from -rotation to rotation.
    rotation_probability : float
        Chance that a slice is rotated at all.
    flips : bool
        Whether to flip.
    flip_probability : float
        Chance of a horizontal flip, and, drawn apart from it, of a vertical one.

    Raises
    ------
    SettingsError
        If a number is out of range.
    """

    rotation: float = 30.0
    rotation_probability: float = 0.5
    flips: bool = True
    flip_probability: float = 0.5

    def __post_init__(self) -> None:
        for name, highest in (("rotation", 180), ("rotation_probability", 1), ("flip_probability", 1)):
            if not 0 <= getattr(self, name) <= highest:
                raise SettingsError(f"{name}={getattr(self, name)} must be 0 to {highest}.")

    def draw(self, rng: np.random.Generator) -> Draw:
        """Draw what happens to one slice. Always takes four numbers, so that settings do not shift what follows."""
        turn, angle, horizontal, vertical = rng.random(4)
        flip = self.flip_probability if self.flips else 0.0
        return Draw(
            angle=self.rotation * (2 * angle - 1) if turn < self.rotation_probability else 0.0,
            horizontal=bool(horizontal < flip),
            vertical=bool(vertical < flip),
        )

    @staticmethod
    def apply(image: Tensor, labels: Tensor, draw: Draw, outside: float = 0.0) -> tuple[Tensor, Tensor]:
        """Do to one slice what was drawn: `augment` for a batch of one.

        Parameters
        ----------
        image : Tensor, float32, (S, S) or (C, S, S)
            Interpolated linearly.
        labels : Tensor, uint8 or int64, (S, S)
            Nearest neighbour: a mean of two classes is no class.
        draw : Draw
            From `draw`.
        outside : float
            Grey of what a rotation brings in from outside the picture; its label is background.

        Returns
        -------
        image, labels : Tensor
            Of the same types and shapes, contiguous.
        """
        moved, labels = augment(image[None], labels[None], as_tensor([draw]), torch.tensor([outside]))
        return moved[0], labels[0]


def as_tensor(draws: Sequence[Draw]) -> Tensor:
    """Draws as `augment` takes them: float32 (5, B): rotated or not, cosine, sine, mirrored in columns, in rows."""
    rows = [
        (bool(d.angle), math.cos(math.radians(d.angle)), math.sin(math.radians(d.angle)), d.horizontal, d.vertical)
        for d in draws
    ]
    return torch.tensor(rows, dtype=torch.float32).T


def augment(image: Tensor, labels: Tensor, moves: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
    """Do to each slice of a batch what was drawn for it.

    Every slice is rotated and mirrored, and what was not drawn is thrown away: on a GPU that costs less than asking
    which slices need it.

    Parameters
    ----------
    image : Tensor, float32, (B, S, S) or (B, C, S, S)
        Interpolated linearly.
    labels : Tensor, uint8, (B, S, S)
        Nearest neighbour.
    moves : Tensor, (5, B)
        From `as_tensor`.
    outside : Tensor, (B,) or (B, C)
        Grey of what a rotation brings in from outside the picture; its label is background.

    Returns
    -------
    image, labels : Tensor
        Of the same types and shapes.
    """
    rotated, cosine, sine, horizontal, vertical = moves[:, :, None, None]
    places = (torch.arange(image.shape[-1], device=image.device) * 2 + 1) / image.shape[-1] - 1
    row, column = places[:, None], places[None, :]
    # rows run downwards, so counter-clockwise on the screen is this sign
    grid = torch.stack((cosine * column - sine * row, sine * column + cosine * row), dim=-1)  # (B, S, S, 2)
    shape, grey = image.shape, outside.reshape(len(image), -1, 1, 1)
    image = image.reshape(len(image), -1, *shape[-2:])  # (B, C, S, S)
    turned = _sample(image - grey, grid, "bilinear") + grey
    image = torch.where(rotated[:, None] > 0, turned, image)
    nearest = _sample(labels[:, None].to(image.dtype), grid, "nearest")[:, 0].to(labels.dtype)
    labels = torch.where(rotated > 0, nearest, labels)
    for axis, wanted in ((-1, horizontal), (-2, vertical)):
        image = torch.where(wanted[:, None] > 0, image.flip(axis), image)
        labels = torch.where(wanted > 0, labels.flip(axis), labels)
    return image.reshape(shape), labels


def _sample(pictures: Tensor, grid: Tensor, mode: str) -> Tensor:
    return grid_sample(pictures, grid, mode=mode, padding_mode="zeros", align_corners=False)
