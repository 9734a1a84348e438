"""Colon and small bowel of one subject: winding tubes with walls and mixed contents."""

from __future__ import annotations

import numpy as np

from guided_attention.data.phantom.body import Body
from guided_attention.data.phantom.shapes import Tube

__all__ = ["draw_bowel", "smooth_path"]


def smooth_path(points: np.ndarray, step: float) -> np.ndarray:
    """Return points (n, 3) every ``step`` mm or so on a smooth curve through ``points`` (cubic spline)."""
    from scipy.interpolate import CubicSpline

    gaps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    s = np.concatenate([[0], np.cumsum(np.maximum(gaps, 1e-6))])
    return CubicSpline(s, points)(np.linspace(0, s[-1], max(3, int(s[-1] / step))))


def draw_bowel(rng: np.random.Generator, body: Body) -> list[Tube]:
    """Draw the loops, in the order in which they are painted: small bowel first, colon over it.

    Returns
    -------
    list of Tube
        Outer surfaces; the wall is the outermost 2.5 mm.
    """
    w, d, top = body.width / 125, body.depth / 86, body.dome
    tubes: list[Tube] = []
    for _ in range(9):
        # a random walk that stays in the front of the lower abdomen
        point = np.array([rng.uniform(-70, 80), rng.uniform(-55, -8), rng.uniform(-150, 10)])
        walk = [point]
        for _ in range(6):
            point = point + rng.normal(0, 1, 3) * (30, 14, 20)
            walk.append(np.clip(point, (-80, -62, -170), (88, 4, 18)))
        tubes += _pieces(smooth_path(np.array(walk) * (w, d, 1), 9), rng, 11.5, 0.12)
    fall = rng.uniform(-70, -5)
    wobble = rng.normal(0, 5, (12, 3))
    ascending = np.array([(-88, 22, -175), (-90, 14, -120), (-86, 4, -75), (-78, -18, -48)], float)
    transverse = np.array([(-55, -54, -40), (-18, -64, fall), (28, -64, fall), (64, -48, 2)], float)
    descending = np.array([(88, -4, top - 88), (98, 24, -15), (97, 26, -80), (92, 14, -175)], float)
    path = (np.concatenate([ascending, transverse, descending]) + wobble) * (w, d, 1)
    tubes += _pieces(smooth_path(path, 8), rng, 19.0, 0.14)
    return tubes


def _pieces(path: np.ndarray, rng: np.random.Generator, radius: float, haustra: float) -> list[Tube]:
    """Cut a path into short tubes, each with a small box; the radius swells and narrows."""
    n = len(path)
    along = np.arange(n)
    slow = np.interp(along, np.linspace(0, n, 7), rng.uniform(0.75, 1.2, 7))
    radii = radius * slow * (1 + haustra * np.sin(along * rng.uniform(1.1, 1.6) + rng.uniform(0, 6)))
    return [Tube(path[i : i + 4], radii[i : i + 4]) for i in range(0, n - 1, 3)]
