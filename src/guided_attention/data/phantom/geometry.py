"""Where the voxels of a subject lie: field of view, slices (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guided_attention.data.phantom.body import Body
from guided_attention.data.phantom.settings import PhantomSettings

__all__ = ["Geometry", "draw_geometry"]


@dataclass(frozen=True)
class Geometry:
    """Where the voxels lie: matrix, in-plane spacing, slice distance and thickness (mm), height of the lowest slice."""

    matrix: int
    spacing: float
    distance: float
    thickness: float
    slices: int
    bottom: float
    centre: tuple[float, float]

    def rows_and_columns(self, samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return the coordinates (mm) of columns and rows, ``samples`` per voxel."""
        n = self.matrix * samples
        middle = (np.arange(n) - (n - 1) / 2) * self.spacing / samples
        return middle + self.centre[0], middle + self.centre[1]

    def heights(self) -> np.ndarray:
        """Return the heights of the slice centres, mm, from the feet up."""
        return self.bottom + self.distance * np.arange(self.slices)


def draw_geometry(rng: np.random.Generator, body: Body, settings: PhantomSettings) -> Geometry:
    """Draw a field of view that holds the body and slices that hold liver, spleen and kidneys."""
    large = rng.random() < settings.large_share
    matrix = settings.large_matrix if large else settings.matrix
    # 1.36 to 1.89 mm belong to CHAOS's 256 or 288 columns; with fewer columns each is wider
    wider = 256 / settings.matrix
    spacing = np.clip(2 * body.outer_width * rng.uniform(1.1, 1.25) / matrix, 1.36 * wider, 1.89 * wider)
    distance = rng.uniform(*settings.slice_distance)
    bottom = -rng.uniform(80, 115)
    slices = int(np.clip(round((body.dome + rng.uniform(10, 30) - bottom) / distance), *settings.slices))
    return Geometry(
        matrix=matrix,
        spacing=round(float(spacing), 4),
        distance=round(float(distance), 3),
        thickness=round(float(distance * rng.uniform(0.7, 0.9)), 2),
        slices=slices,
        bottom=round(float(bottom), 2),
        centre=(round(float(rng.normal(0, 4)), 2), round(float(rng.normal(0, 4)), 2)),
    )
