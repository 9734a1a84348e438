"""The body around the organs: wall, ribs, spine, muscles, great vessels, lungs (chapter *From scanner to tensor*).

Coordinates in mm: x to the patient's left, y to the back, z to the head; the origin lies in the middle of the body at
the height of the kidneys. Sizes are those of an adult, drawn per subject; they are not fitted to any population.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guided_attention.data.phantom.shapes import Disc, Ellipsoid, Shape, Tube, rotation

__all__ = ["Body", "draw_body", "draw_spine"]


@dataclass(frozen=True, eq=False)
class Body:
    """Size of one subject's trunk, mm.

    ``width`` and ``depth`` are half-axes of the cavity inside the muscular wall; around it come ``muscle`` and ``fat``.
    ``dome`` is the height of the right half of the diaphragm.
    """

    width: float
    depth: float
    power: float
    muscle: float
    fat_side: float
    fat_front: float
    fat_back: float
    dome: float
    rib_phase: float
    rib_start: float

    @property
    def outer_width(self) -> float:
        """Half the width of the trunk, skin to skin."""
        return self.width + self.muscle + self.fat_side

    @property
    def outer_depth(self) -> float:
        """Half the depth of the trunk, front to back."""
        return self.depth + self.muscle + max(self.fat_front, self.fat_back)

    def outside(self, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        """Distance outside the cavity along the ray from the middle, mm; negative inside."""
        widen = 1 + 0.04 * np.tanh(z / 70)
        a, b = np.abs(x) * np.float32(1 / (self.width * widen)), np.abs(y) * np.float32(1 / self.depth)
        a, b = (np.power(along, self.power, dtype=np.float64) for along in (a, b))
        radial = (a + b + 1e-12) ** (1 / self.power)
        return np.sqrt(x * x + y * y) * (1 - 1 / radial).astype(np.float32)

    def diaphragm(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the diaphragm, mm: two domes that fall off steeply towards the wall."""
        w, d = self.width, self.depth
        domes = []
        for centre, top in ((-0.47 * w, self.dome), (0.48 * w, self.dome - 12)):
            rho = ((x - np.float32(centre)) * np.float32(1 / (0.62 * w))) ** 2 + (
                (y + np.float32(0.05 * d)) * np.float32(1 / (1.05 * d))
            ) ** 2
            domes.append(np.float32(top) - 34 * rho - 26 * rho * rho * rho)
        middle = (
            np.float32(self.dome - 30) - 40 * (x * np.float32(1 / w)) ** 2 - 60 * ((y + 20) * np.float32(1 / d)) ** 2
        )
        return np.maximum(np.maximum(domes[0], domes[1]), middle)


def draw_body(rng: np.random.Generator) -> Body:
    """Draw a trunk: slim to stout, with fat that may sit in front, at the sides or at the back."""
    stout = rng.uniform(0, 1)
    return Body(
        width=rng.uniform(117, 136) + 6 * stout,
        depth=rng.uniform(78, 90) + 10 * stout,
        power=rng.uniform(2.2, 2.6),
        muscle=rng.uniform(8, 12),
        fat_side=4 + 22 * stout * rng.uniform(0.7, 1.3),
        fat_front=4 + 20 * stout * rng.uniform(0.6, 1.4),
        fat_back=6 + 22 * stout * rng.uniform(0.7, 1.3),
        dome=rng.uniform(102, 126),
        rib_phase=rng.uniform(0, 24),
        rib_start=rng.uniform(20, 45),
    )


def draw_spine(rng: np.random.Generator, body: Body) -> list[tuple[Shape, str]]:
    """Draw back muscles, spine and the great vessels, in the order in which they are painted.

    Returns
    -------
    list of (shape, tissue name)
    """
    front = body.depth * 0.24 + rng.uniform(-3, 3)  # front edge of the vertebral bodies
    radius = rng.uniform(20, 24)
    middle = front + 0.78 * radius
    canal = middle + 0.78 * radius + 9
    # what fills the hollow between the back muscles and the wall
    parts: list[tuple[Shape, str]] = [(Disc((0, canal + 21, 0), (62, 19), 900), "muscle")]
    for side in (-1, 1):
        back = (rng.uniform(28, 34), rng.uniform(20, 25), 900)
        parts += [(Ellipsoid((side * 35, canal + 9, 0), back, rotation(0, 0, side * 12)), "muscle")]
        parts += [(Ellipsoid((side * 64, canal + 1, -60), (15, 9, 80), rotation(0, 0, -side * 20)), "muscle")]
        psoas = [(28, middle + 3, 25), (36, middle, -40), (46, middle - 6, -120), (52, middle - 12, -180)]
        width = np.array([5, 15, 21, 24]) * rng.uniform(0.85, 1.1)
        parts += [(piece, "muscle") for piece in _mirrored(psoas, side, width).pieces()]
        crus = [(13, front + 8, -30), (16, front + 2, 30), (20, front - 6, 80)]
        parts += [(_mirrored(crus, side, np.array([5.0, 6, 5])), "muscle")]
    pitch, start = rng.uniform(31, 36), rng.uniform(0, 30)
    for z in np.arange(-200 + start, 260, pitch):
        parts += _vertebra(z, pitch, radius, middle, canal)
    parts += [(Disc((0, canal, 0), (11.5, 9), 900), "cerebrospinal fluid")]
    parts += [(Ellipsoid((0, canal + 1.5, 110), (5.5, 4.5, 140)), "nerve")]
    for x, y in ((-4, 3), (0, 5), (4, 3)):  # the cauda equina below the cord
        parts += [(Disc((x, canal + y, -120), (1.3, 1.3), 100), "nerve")]
    return parts + _great_vessels(rng, body, front)


def _vertebra(z: float, pitch: float, radius: float, middle: float, canal: float) -> list[tuple[Shape, str]]:
    """One vertebra at height z: disc below and above, body, arch, spinous and transverse processes."""
    half = pitch / 2 - 4.5
    wing = np.array([(-36.0, canal - 2, z), (0.0, canal - 5, z), (36.0, canal - 2, z)])
    return [
        (Tube(wing, np.array([4.5, 9, 4.5])), "cortical bone"),
        (Tube(wing, np.array([2.8, 7, 2.8])), "marrow"),
        (Disc((0, canal + 23, z - 6), (4.5, 17), 10), "cortical bone"),
        (Disc((0, canal + 23, z - 6), (2.6, 15), 9), "marrow"),
        (Disc((0, canal + 2, z - 4), (18, 14), 12), "cortical bone"),
        (Disc((0, canal + 2, z - 4), (15.5, 12), 11), "marrow"),
        (Disc((0, canal + 5, z), (9, 8.5), pitch / 2), "visceral fat"),
        (Disc((0, middle, z), (radius, 0.78 * radius), pitch / 2), "disc"),
        (Disc((0, middle, z), (radius + 0.8, 0.78 * radius + 0.8), half), "cortical bone"),
        (Disc((0, middle, z), (radius - 1, 0.78 * radius - 1), half - 1.5), "marrow"),
    ]


def _great_vessels(rng: np.random.Generator, body: Body, front: float) -> list[tuple[Shape, str]]:
    """Aorta in front of the spine, a little to the left; vena cava on its right, up to the diaphragm."""
    aorta, cava, x = rng.uniform(8.5, 11), rng.uniform(9, 12.5), rng.uniform(6, 14)
    path = np.array([(x - 8, front - 9, -150), (x - 4, front - 9, -40), (x, front - 8, 60), (x + 6, front + 4, 200)])
    width, cava_width = np.array([0.7, 0.85, 1, 1.1]), np.array([0.8, 1, 1, 1])
    up = np.array([(-18, front - 7, -150), (-22, front - 8, -20), (-24, front - 14, 60), (-22, front - 24, body.dome)])
    tubes = [(path, width * aorta + 1.5, "wall"), (path, width * aorta, "fast blood"), (up, cava_width * cava, "blood")]
    return [(piece, tissue) for points, radii, tissue in tubes for piece in Tube(points, radii).pieces()]


def _mirrored(points: list[tuple[float, float, float]], side: int, radii: np.ndarray) -> Tube:
    """A tube on the left (side 1) or, mirrored, on the right (side -1)."""
    return Tube(np.array(points, float) * (side, 1, 1), radii)
