"""One slice as an easel: deformed coordinates, and what is painted so far (chapter *From scanner to tensor*)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from guided_attention.data.phantom.shapes import Shape
from guided_attention.data.phantom.tissues import tissue_number
from guided_attention.data.phantom.waves import Waves

__all__ = ["REACH", "Painted", "Plane", "Window"]

#: Largest displacement along each axis that the deformation may cause, mm.
REACH = 14.0

Window = tuple[slice, slice]


class Painted(NamedTuple):
    """What `Plane.paint` did: the window, the depth below the surface there (mm), and which points got painted."""

    window: Window
    level: np.ndarray
    inside: np.ndarray


class Plane:
    """The points of a plane at height z: deformed coordinates, tissue and organ of each.

    Parameters
    ----------
    bend, ripple : three Waves each
        Slow and fast part of the displacement along x, y and z.
    x, y : ndarray, (W,) and (H,)
        Rising coordinates of columns and rows, mm.
    z : float
        Height, mm.
    """

    def __init__(
        self,
        bend: tuple[Waves, Waves, Waves],
        ripple: tuple[Waves, Waves, Waves],
        x: np.ndarray,
        y: np.ndarray,
        z: float,
    ) -> None:
        self.x0, self.y0, self.z0 = x, y, z
        slow, fast = ([wave.plane(x, y, z).astype(np.float32) for wave in waves] for waves in (bend, ripple))
        across, down = x[None, :].astype(np.float32), y[:, None].astype(np.float32)
        # the wall bends with everything else, but has no ripples; it is thicker here and thinner there
        self.wall_x, self.wall_y = across + 4 * slow[0], down + 4 * slow[1]
        self.thickness = np.clip(1 + 0.22 * slow[2] + 0.08 * fast[2], 0.5, 1.6)
        shift = [np.clip(4 * s + 1.2 * f, -REACH, REACH) for s, f in zip(slow, fast, strict=True)]
        self.x, self.y, self.z = across + shift[0], down + shift[1], np.float32(z) + shift[2]
        self.reach = [(float(s.min()), float(s.max())) for s in shift]
        self.tissue = np.zeros(self.x.shape, np.uint8)
        self.organ = np.zeros(self.x.shape, np.uint8)

    def window(self, shape: Shape, pad: float = 0.0) -> Window | None:
        """Return the rows and columns that can lie within ``pad`` mm of the shape; None where it misses the plane."""
        # a point p is inside when p + shift is: the box moves by the least and the largest shift
        (x0, x1), (y0, y1), (z0, z1) = shape.box
        (a0, a1), (b0, b1), (c0, c1) = self.reach
        if not z0 - pad - c1 <= self.z0 <= z1 + pad - c0:
            return None
        rows = slice(*np.searchsorted(self.y0, (y0 - pad - b1, y1 + pad - b0)))
        columns = slice(*np.searchsorted(self.x0, (x0 - pad - a1, x1 + pad - a0)))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def level(self, shape: Shape, window: Window) -> np.ndarray:
        """Return the depth below the shape's surface (mm, positive inside) at the points of a window."""
        return shape.level(self.x[window], self.y[window], self.z[window])

    def paint(
        self, shape: Shape, tissue: int, where: np.ndarray, organ: int = 0, shell: int | None = None, thick: float = 0.0
    ) -> Painted | None:
        """Paint a shape where allowed; with ``shell``, its outermost ``thick`` mm get that tissue."""
        window = self.window(shape)
        if window is None or not where[window].any():
            return None
        level = self.level(shape, window)
        inside = (level > 0) & where[window]
        np.copyto(self.tissue[window], tissue, where=inside)
        np.copyto(self.organ[window], organ, where=inside)
        if shell is not None:
            np.copyto(self.tissue[window], shell, where=inside & (level < thick))
        return Painted(window, level, inside)

    def clear(self, shape: Shape, where: np.ndarray, margin: float) -> None:
        """Lay fat over a shape and ``margin`` mm around it, whatever was painted there before."""
        window = self.window(shape, 2.5 * margin)
        if window is not None:
            around = (self.level(shape, window) > -margin) & where[window]
            np.copyto(self.tissue[window], tissue_number("visceral fat"), where=around)
            np.copyto(self.organ[window], 0, where=around)
