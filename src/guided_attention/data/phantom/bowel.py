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


def draw_bowel(rng: np.random.Generator, body: Body) -> list[tuple[Tube, str]]:
    """Draw the loops, in the order in which they are painted: small bowel first, colon over it.

    Returns
    -------
    list of (Tube, contents)
        The tube is the outer surface; contents is a tissue, or ``"mixed"`` for the colon's stool, gas and fluid.
    """
    w, d, top = body.width / 125, body.depth / 86, body.dome
    loops: list[tuple[Tube, str]] = []
    for _ in range(17):
        # a random walk that stays in the front of the lower abdomen
        point = np.array([rng.uniform(-80, 90), rng.uniform(-62, -6), rng.uniform(-160, 12)])
        walk = [point]
        for _ in range(5):
            point = point + rng.normal(0, 1, 3) * (28, 13, 17)
            point = np.clip(point, (-84, -66, -175), (92, 6, 18))
            walk.append(point)
        contents = str(rng.choice(("chyme", "fluid", "wall"), p=(0.6, 0.25, 0.15)))
        radius = rng.uniform(11, 15) if contents != "wall" else 7.5
        loops += [(tube, contents) for tube in _pieces(smooth_path(np.array(walk) * (w, d, 1), 10), rng, radius, 0.1)]
    fall = rng.uniform(-70, -5)
    ascending = [(-88, 22, -175), (-90, 14, -120), (-86, 4, -75), (-78, -18, -48)]
    transverse = [(-55, -52, -40), (-18, -62, fall), (28, -62, fall), (64, -48, 2)]
    descending = [(88, -4, top - 88), (98, 24, -15), (97, 26, -80), (92, 14, -175)]
    path = (np.array(ascending + transverse + descending) + rng.normal(0, 5, (12, 3))) * (w, d, 1)
    return loops + [(tube, "mixed") for tube in _pieces(smooth_path(path, 9), rng, 21.0, 0.14)]


def _pieces(path: np.ndarray, rng: np.random.Generator, radius: float, haustra: float) -> list[Tube]:
    """Turn a path into short tubes, each with a small box; the radius swells and narrows."""
    n = len(path)
    along = np.arange(n)
    slow = np.interp(along, np.linspace(0, n, 7), rng.uniform(0.75, 1.2, 7))
    radii = radius * slow * (1 + haustra * np.sin(along * rng.uniform(1.1, 1.6) + rng.uniform(0, 6)))
    return Tube(path, radii).pieces()
