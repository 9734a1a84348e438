"""Liver, kidneys, spleen, stomach, gall bladder, pancreas of one subject (chapter *From scanner to tensor*).

Shapes and places follow what an anatomy atlas shows, in round figures; nothing is fitted to real organs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guided_attention.data.phantom.body import Body
from guided_attention.data.phantom.shapes import Cut, Ellipsoid, HalfSpace, Shape, Tube, Union, rotation

__all__ = ["Organs", "draw_organs"]


@dataclass(frozen=True, eq=False)
class Organs:
    """The shapes that get painted, per organ."""

    liver: Shape
    vessels: tuple[Tube, ...]
    gall_bladder: Shape
    kidneys: tuple[tuple[Ellipsoid, Shape], tuple[Ellipsoid, Shape]]
    spleen: Shape
    stomach: Shape
    gas_level: float
    pancreas: Shape
    duodenum: Shape
    heart: Shape


def draw_organs(rng: np.random.Generator, body: Body) -> Organs:
    """Draw the organs of one subject inside its body."""
    w, d, top = body.width / 125, body.depth / 86, body.dome
    size = rng.normal(1, 0.07)

    def at(x, y, z, spread=3.5):
        """A place that scales with the body and wanders by a few mm."""
        return tuple(np.array((x * w, y * d, z)) + np.clip(rng.normal(0, spread, 3), -2 * spread, 2 * spread))

    def kidney(side: int) -> tuple[Ellipsoid, Shape]:
        k = np.clip(rng.normal(1, 0.08), 0.88, 1.18)
        centre = at(side * 67, 32, 5 if side > 0 else -7, 5)
        turn = rotation(rng.normal(-8, 4), side * rng.normal(10, 4), side * rng.normal(35, 10))
        bean = Ellipsoid(centre, (27 * k, 32 * k, 57 * k), turn)
        # the hilum looks forward and inward
        hilum = np.asarray(centre) + turn @ np.array([-side * 19 * k, -20 * k, 0])
        return bean, Cut(bean, (Ellipsoid(hilum, (10 * k, 14 * k, 22 * k), turn),), blend=6)

    right = Ellipsoid(
        at(-62, 2, top - 78), np.array((74 * w, 84 * d, 98)) * size, rotation(0, rng.normal(0, 5), rng.normal(0, 8))
    )
    reach = rng.uniform(-12, 30)
    left = Ellipsoid(
        at(reach, -40, top - 42),
        np.array((78 * w, 40 * d, 36)) * size,
        rotation(rng.normal(10, 5), -14, rng.normal(12, 6)),
    )
    under = HalfSpace(at(-22, 10, 28, 6), (0.62, 0.30, -0.72))
    below = HalfSpace((0, 0, rng.uniform(-75, -30)), (0, 0, -1))
    behind = Ellipsoid(at(50, 45, top - 70), (52, 62, 90))
    liver = Cut(Union((right, left), 26), (under, below, behind), blend=22)
    kidneys = (kidney(-1), kidney(1))
    s = np.clip(rng.normal(1.2, 0.13), 1.0, 1.5)
    centre = np.array(at(90, 34, top - 55, 4))
    turn = rotation(rng.normal(-18, 6), rng.normal(10, 5), rng.normal(-22, 8))
    spleen = Cut(
        Ellipsoid(centre, (32 * s, 52 * s, 56 * s), turn),
        (Ellipsoid(centre + np.array((-46 * s, -16, -6)), (34 * s, 52 * s, 60 * s)),),
        blend=8,
    )
    full = rng.uniform(0.75, 1.2)
    fundus = Ellipsoid(at(58, 8, top - 30), (36 * full, 40 * full, 34))
    corpus = Ellipsoid(at(52, -32, top - 65), (30 * full, 32 * full, 44), rotation(0, 18, 0))
    antrum = Tube(np.array([at(42, -44, 22), at(12, -50, 8), at(-18, -42, 14)]), np.array([20, 17, 12]) * full)
    return Organs(
        liver=liver,
        vessels=_vessels(rng, w, d, top),
        gall_bladder=Ellipsoid(at(-44, -36, 4, 6), np.array((13, 24, 19)) * rng.uniform(0.7, 1.2), rotation(30, 0, 20)),
        kidneys=kidneys,
        spleen=spleen,
        stomach=Union((fundus, corpus, antrum), 18),
        gas_level=float(centre[1] - rng.uniform(45, 75) * d),
        pancreas=Tube(
            np.array([at(-26, -14, 2), at(-4, -24, 16), at(34, -12, 28), at(66, 6, 42)]),
            np.array([14, 9, 10, 8]) * rng.uniform(0.85, 1.15),
        ),
        duodenum=Tube(
            np.array([at(-22, -34, 14), at(-44, -16, 8), at(-42, -2, -32), at(-4, -8, -42)]), np.full(4, 12.0)
        ),
        heart=Ellipsoid(
            (rng.uniform(20, 34), -32 * d, top + rng.uniform(12, 26)), (54, 44, 42), rotation(20, -20, -30)
        ),
    )


def _vessels(rng: np.random.Generator, w: float, d: float, top: float) -> tuple[Tube, ...]:
    """Two trees in the liver: hepatic veins that meet under the diaphragm, portal branches from the hilum."""
    tubes: list[Tube] = []
    confluence = np.array((-20 * w, 4 * d, top - 22))
    hilum = np.array((-24 * w, -8 * d, top - 72))
    for start, ends, radius in (
        (confluence, ((-100, 22, -50), (-62, -50, -55), (4, -58, -28)), 5.0),
        (hilum, ((-92, 30, -82), (-88, -32, -66), (0, -56, -52)), 5.4),
    ):
        for end in ends:
            target = np.array((end[0] * w, end[1] * d, top + end[2])) + rng.normal(0, 6, 3)
            _grow(rng, tubes, start, target - start, radius, 4)
    trunk = np.array([(0, -8 * d, -10), (-6, -10 * d, 16), hilum])
    return (*tubes, Tube(trunk, np.array([5.5, 6, 5.5])))


def _grow(
    rng: np.random.Generator, tubes: list[Tube], start: np.ndarray, way: np.ndarray, radius: float, depth: int
) -> None:
    """Add a branch and, ``depth`` times, its forks: each shorter, thinner and at an angle."""
    length = np.linalg.norm(way) * (0.55 if depth == 4 else 1.0)
    heading = way / np.linalg.norm(way)
    bend = start + heading * length / 2 + rng.normal(0, length * 0.08, 3)
    end = start + heading * length
    tubes += Tube(np.array([start, bend, end]), np.array([radius, 0.92 * radius, 0.82 * radius])).pieces()
    if depth == 0:
        return
    side = np.cross(heading, rng.normal(0, 1, 3))
    side /= np.linalg.norm(side)
    for sign, share in ((1, rng.uniform(0.35, 0.6)), (-1, rng.uniform(0.35, 0.6))):
        turned = heading + sign * share * side
        _grow(rng, tubes, end, turned * length * rng.uniform(0.6, 0.85), 0.77 * radius, depth - 1)
