"""The body around the organs: wall, ribs, spine, muscles, great vessels, lungs (chapter *From scanner to tensor*).

Coordinates in mm: x to the patient's left, y to the back, z to the head; the origin lies in the middle of the body at the
height of the kidneys. Sizes are those of an adult, drawn per subject; they are not fitted to any population.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guided_attention.data.phantom.shapes import Cut, Ellipsoid, HalfSpace, Shape, Tube, rotation

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
        radial = (a**self.power + b**self.power + np.float32(1e-12)) ** np.float32(1 / self.power)
        return np.sqrt(x * x + y * y) * (1 - 1 / radial)

    def diaphragm(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the diaphragm, mm: two domes that fall off steeply towards the wall."""
        w, d = self.width, self.depth
        domes = []
        for centre, top in ((-0.47 * w, self.dome), (0.48 * w, self.dome - 14)):
            rho = ((x - np.float32(centre)) * np.float32(1 / (0.62 * w))) ** 2 + (
                (y + np.float32(0.05 * d)) * np.float32(1 / (1.05 * d))
            ) ** 2
            domes.append(np.float32(top) - 42 * rho - 30 * rho**3)
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
    """Draw spine, back muscles and the great vessels, in the order in which they are painted.

    Returns
    -------
    list of (shape, tissue name)
    """
    front = body.depth * 0.24 + rng.uniform(-3, 3)  # front edge of the vertebral bodies
    radius = rng.uniform(20, 24)
    middle = front + 0.78 * radius
    canal = middle + 0.78 * radius + 9
    parts: list[tuple[Shape, str]] = []
    for side in (-1, 1):
        back = Ellipsoid(
            (side * 36, canal + 8, 0), (rng.uniform(29, 34), rng.uniform(22, 26), 900), rotation(0, 0, side * 12)
        )
        quadratus = Ellipsoid((side * 63, canal - 8, -60), (17, 11, 80), rotation(0, 0, -side * 25))
        psoas = Tube(
            np.array(
                [
                    (side * 28.0, middle + 3, 25),
                    (side * 36.0, middle, -40),
                    (side * 46.0, middle - 6, -120),
                    (side * 52.0, middle - 12, -180),
                ]
            ),
            np.array([5, 15, 21, 24]) * rng.uniform(0.9, 1.1),
        )
        crus = Tube(
            np.array([(side * 13.0, front + 8, -30), (side * 16.0, front + 2, 30), (side * 20.0, front - 6, 80)]),
            np.array([5.0, 6, 5]),
        )
        parts += [(back, "muscle"), (quadratus, "muscle"), (psoas, "muscle"), (crus, "muscle")]
    spinous = Ellipsoid((0, canal + 24, 0), (4.5, 18, 900))
    arch = Ellipsoid((0, canal + 1, 0), (19, 14, 900))
    parts += [
        (spinous, "cortical bone"),
        (arch, "cortical bone"),
        (Ellipsoid((0, canal + 1, 0), (16.5, 12, 900)), "marrow"),
    ]
    pitch, start = rng.uniform(31, 36), rng.uniform(0, 30)
    for z in np.arange(-200 + start, 260, pitch):
        half = pitch / 2 - 4.5
        wing = Tube(np.array([(-40.0, canal - 3, z), (0.0, canal - 5, z), (40.0, canal - 3, z)]), np.array([4.0, 8, 4]))
        parts += [(wing, "marrow")]
        parts += [
            (_cylinder(middle, radius, z, pitch / 2), "disc"),
            (_cylinder(middle, radius + 1, z, half), "cortical bone"),
        ]
        parts += [(_cylinder(middle, radius - 1, z, half - 1.5), "marrow")]
    parts += [(Ellipsoid((0, canal, 0), (11.5, 9, 900)), "cerebrospinal fluid")]
    parts += [(Ellipsoid((0, canal + 1.5, 110), (5.5, 4.5, 140)), "nerve")]
    aorta, cava = rng.uniform(9, 11.5), rng.uniform(9, 12.5)
    x = rng.uniform(6, 14)
    path = np.array([(x - 8, front - 9, -150), (x - 4, front - 9, -40), (x, front - 8, 60), (x + 6, front + 4, 200)])
    parts += [
        (Tube(path, np.array([0.7, 0.85, 1, 1.1]) * (aorta + 1.5)), "wall"),
        (Tube(path, np.array([0.7, 0.85, 1, 1.1]) * aorta), "fast blood"),
    ]
    path = np.array(
        [(-18, front - 7, -150), (-22, front - 8, -20), (-24, front - 14, 60), (-22, front - 24, body.dome)]
    )
    parts += [(Tube(path, np.array([0.8, 1, 1, 1]) * cava), "blood")]
    return parts


def _cylinder(y: float, radius: float, z: float, half: float) -> Shape:
    """A vertebral body: round in front, flat ends at z +- half."""
    return Cut(
        Ellipsoid((0, y, z), (radius, 0.78 * radius, 900)),
        (HalfSpace((0, 0, z + half), (0, 0, 1)), HalfSpace((0, 0, z - half), (0, 0, -1))),
        blend=0.5,
    )
