"""Random rotation and flips, the same for image and labels (chapter *From scanner to tensor*)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from guided_attention.errors import SettingsError

__all__ = ["Augmentation", "Draw"]


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
        """Do to one slice what was drawn.

        Parameters
        ----------
        image : Tensor, float32, (S, S)
            Interpolated linearly.
        labels : Tensor, uint8 or int64, (S, S)
            Nearest neighbour: a mean of two classes is no class.
        draw : Draw
            From `draw`.
        outside : float
            Grey of what a rotation brings in from outside the picture; its label is background.

        Returns
        -------
        image, labels : Tensor, (S, S)
            Of the same types, contiguous.
        """
        if draw.angle:
            grid = _rotation_grid(draw.angle, image.shape[-1], image.device)
            image = _sample(image - outside, grid, "bilinear") + outside
            labels = _sample(labels.to(image.dtype), grid, "nearest").to(labels.dtype)
        axes = [axis for axis, flip in ((-1, draw.horizontal), (-2, draw.vertical)) if flip]
        if axes:
            image, labels = image.flip(axes), labels.flip(axes)
        return image, labels


def _rotation_grid(angle: float, size: int, device: torch.device) -> Tensor:
    """Where each pixel of the rotated picture comes from, (1, S, S, 2), columns first, -1 to 1 between outer edges."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    places = (torch.arange(size, device=device) * 2 + 1) / size - 1
    row, column = places[:, None], places[None, :]
    # rows run downwards, so counter-clockwise on the screen is this sign
    return torch.stack((cosine * column - sine * row, sine * column + cosine * row), dim=-1)[None]


def _sample(picture: Tensor, grid: Tensor, mode: str) -> Tensor:
    return grid_sample(picture[None, None], grid, mode=mode, padding_mode="zeros", align_corners=False)[0, 0]
