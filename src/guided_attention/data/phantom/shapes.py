"""Smooth implicit shapes: where is inside, and how deep (chapter *From scanner to tensor*).

A shape answers `level(x, y, z)`: millimetres from its surface, positive inside, and only roughly a distance; its zero
is what counts. Coordinates run to the patient's left (x), back (y) and head (z), in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

__all__ = ["Cut", "Disc", "Ellipsoid", "HalfSpace", "Shape", "Tube", "Union", "rotation"]

Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


class Shape(Protocol):
    """Anything with a level function and a box that contains its inside."""

    @property
    def box(self) -> Box:
        """Lower and upper bound along x, y and z, mm."""

    def level(self, x, y, z):
        """Depth below the surface in mm, positive inside."""


def rotation(about_x: float = 0.0, about_y: float = 0.0, about_z: float = 0.0) -> np.ndarray:
    """Return the (3, 3) matrix that turns about x, then y, then z (degrees)."""
    out = np.eye(3)
    for axis, angle in enumerate((about_x, about_y, about_z)):
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
        out = turn @ out
    return out


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """Points with |R^T (p - centre) / radii| < 1."""

    centre: Sequence[float]
    radii: Sequence[float]
    turn: np.ndarray | None = None

    def own(self, x, y, z):
        """Coordinates along the shape's own axes, in units of its radii: the surface is the unit sphere."""
        # plain floats: a float64 scalar would turn the whole plane into float64
        d = (x - float(self.centre[0]), y - float(self.centre[1]), z - float(self.centre[2]))
        if self.turn is None:
            return tuple(d[i] * (1 / float(self.radii[i])) for i in range(3))
        m = (self.turn / np.asarray(self.radii)).T.astype(np.float32)
        return tuple(m[i, 0] * d[0] + m[i, 1] * d[1] + m[i, 2] * d[2] for i in range(3))

    @cached_property
    def box(self) -> Box:
        """Bounds along x, y and z, mm."""
        turn = np.eye(3) if self.turn is None else self.turn
        half = np.sqrt((turn**2) @ np.square(self.radii))
        return tuple((c - h, c + h) for c, h in zip(self.centre, half, strict=True))

    def level(self, x, y, z):
        """Depth below the surface in mm, positive inside."""
        a, b, c = self.own(x, y, z)
        return (1 - np.sqrt(a * a + b * b + c * c)) * float(min(self.radii))


@dataclass(frozen=True, eq=False)
class Tube:
    """A chain of cones with round ends: points (n, 3) in mm, one radius each."""

    points: np.ndarray
    radii: np.ndarray

    @cached_property
    def box(self) -> Box:
        """Bounds along x, y and z, mm."""
        low = (self.points - self.radii[:, None]).min(0)
        high = (self.points + self.radii[:, None]).max(0)
        return tuple(zip(low, high, strict=True))

    def pieces(self) -> list[Tube]:
        """Return one tube per cone: together the same inside, but each with a small box."""
        return [Tube(self.points[i : i + 2], self.radii[i : i + 2]) for i in range(len(self.points) - 1)]

    def level(self, x, y, z):
        """Depth below the surface in mm, positive inside."""
        best = None
        for p, q, r, s in zip(self.points, self.points[1:], self.radii, self.radii[1:], strict=False):
            v = (q - p).astype(np.float32)
            dx, dy, dz = x - np.float32(p[0]), y - np.float32(p[1]), z - np.float32(p[2])
            along = dx * v[0] + dy * v[1] + dz * v[2]
            square = max(float(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), 1e-9)
            t = np.minimum(np.maximum(along * (1 / square), 0), 1)
            # squared distance to the nearest point p + t v of the axis; rounding may leave it below 0
            gap = dx * dx + dy * dy + dz * dz - t * (2 * along - square * t)
            depth = np.float32(r) + t * np.float32(s - r) - np.sqrt(np.maximum(gap, 0))
            best = depth if best is None else np.maximum(best, depth)
        return best


@dataclass(frozen=True, eq=False)
class Disc:
    """An upright elliptic cylinder: half-axes along x and y, flat ends at centre z +- half."""

    centre: Sequence[float]
    radii: Sequence[float]
    half: float

    @cached_property
    def box(self) -> Box:
        """Bounds along x, y and z, mm."""
        half = (*self.radii, self.half)
        return tuple((c - h, c + h) for c, h in zip(self.centre, half, strict=True))

    def level(self, x, y, z):
        """Depth below the surface in mm, positive inside."""
        (cx, cy, cz), (rx, ry) = map(float, self.centre), map(float, self.radii)
        a, b = (x - cx) * (1 / rx), (y - cy) * (1 / ry)
        side = (1 - np.sqrt(a * a + b * b)) * min(rx, ry)
        return np.minimum(side, float(self.half) - np.abs(z - cz))


@dataclass(frozen=True, eq=False)
class HalfSpace:
    """Points in front of a plane: (p - point) . normal > 0."""

    point: Sequence[float]
    normal: Sequence[float]

    @cached_property
    def box(self) -> Box:
        """Bounds along x, y and z, mm."""
        return ((-np.inf, np.inf),) * 3

    def level(self, x, y, z):
        """Depth below the surface in mm, positive inside."""
        n = np.asarray(self.normal, np.float32) / np.float32(np.linalg.norm(self.normal))
        px, py, pz = map(float, self.point)
        return (x - px) * n[0] + (y - py) * n[1] + (z - pz) * n[2]


@dataclass(frozen=True, eq=False)
class Union:
    """Shapes melted together: within ``blend`` mm the surfaces flow into each other (a smooth maximum)."""

    parts: Sequence[Shape]
    blend: float = 10.0

    @cached_property
    def box(self) -> Box:
        """Bounds along x, y and z, mm."""
        boxes = np.array([p.box for p in self.parts])
        pad = self.blend / 4
        return tuple(
            (low - pad, high + pad) for low, high in zip(boxes[..., 0].min(0), boxes[..., 1].max(0), strict=True)
        )

    def level(self, x, y, z):
        """Depth below the surface in mm, positive inside."""
        out = self.parts[0].level(x, y, z)
        for part in self.parts[1:]:
            other = part.level(x, y, z)
            h = np.clip(float(self.blend) - np.abs(out - other), 0, None)
            out = np.maximum(out, other) + h * h * (0.25 / self.blend)
        return out


@dataclass(frozen=True, eq=False)
class Cut:
    """A shape without what others take away, with a rounded edge of ``blend`` mm."""

    base: Shape
    away: Sequence[Shape]
    blend: float = 4.0

    @cached_property
    def box(self) -> Box:
        """Bounds along x, y and z, mm."""
        return self.base.box

    def level(self, x, y, z):
        """Depth below the surface in mm, positive inside."""
        out = self.base.level(x, y, z)
        for shape in self.away:
            other = -shape.level(x, y, z)
            h = np.clip(float(self.blend) - np.abs(out - other), 0, None)
            out = np.minimum(out, other) - h * h * (0.25 / self.blend)
        return out
