"""From shapes to tissues: which tissue lies at every point of a slice (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from guided_attention.data.phantom.body import Body, draw_body, draw_spine
from guided_attention.data.phantom.bowel import draw_bowel
from guided_attention.data.phantom.organs import Organs, draw_organs
from guided_attention.data.phantom.shapes import Shape, Tube, Waves
from guided_attention.data.phantom.tissues import tissue_number as T

__all__ = ["REACH", "Anatomy", "draw_anatomy", "paint_plane"]

#: Largest displacement that the deformation may cause, mm; boxes of shapes are padded by it.
REACH = 14.0


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Everything that decides which tissue lies where in one subject."""

    body: Body
    spine: list[tuple[Shape, str]]
    organs: Organs
    bowel: list[Tube]
    bend: tuple[Waves, Waves, Waves]
    ripple: tuple[Waves, Waves, Waves]
    mottle: Waves
    speckle: Waves


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw one subject's anatomy: sizes, places, shapes, and a smooth deformation of them all."""
    body = draw_body(rng)
    return Anatomy(
        body=body,
        spine=draw_spine(rng, body),
        organs=draw_organs(rng, body),
        bowel=draw_bowel(rng, body),
        bend=tuple(Waves(rng, 6, (150, 400)) for _ in range(3)),
        ripple=tuple(Waves(rng, 16, (35, 90)) for _ in range(3)),
        mottle=Waves(rng, 24, (25, 70)),
        speckle=Waves(rng, 40, (9, 26)),
    )


class _Plane:
    """One plane of points at height z: deformed coordinates, tissue and organ of each."""

    def __init__(self, anatomy: Anatomy, x: np.ndarray, y: np.ndarray, z: float) -> None:
        self.x0, self.y0, self.z0 = x, y, z
        bend, ripple = ([wave.plane(x, y, z) for wave in waves] for waves in (anatomy.bend, anatomy.ripple))
        shift = [4.0 * slow + 1.2 * fast for slow, fast in zip(bend, ripple, strict=True)]
        # the wall bends with everything else, but has no ripples; it is thicker here and thinner there
        self.wall_x, self.wall_y = (
            x[None, :].astype(np.float32) + 4 * bend[0],
            y[:, None].astype(np.float32) + 4 * bend[1],
        )
        self.thickness = np.clip(1 + 0.22 * bend[2] + 0.08 * ripple[2], 0.5, 1.6)
        self.x = x[None, :].astype(np.float32) + np.clip(shift[0], -REACH, REACH)
        self.y = y[:, None].astype(np.float32) + np.clip(shift[1], -REACH, REACH)
        self.z = np.float32(z) + np.clip(shift[2], -REACH, REACH)
        self.reach = float(max(np.abs(s).max() for s in shift))
        self.tissue = np.zeros(self.x.shape, np.uint8)
        self.organ = np.zeros(self.x.shape, np.uint8)

    def window(self, shape: Shape, pad: float = 0.0):
        """Rows and columns that can lie inside the shape, or None where it misses the plane."""
        (x0, x1), (y0, y1), (z0, z1) = shape.box
        pad += self.reach
        if not z0 - pad <= self.z0 <= z1 + pad:
            return None
        rows = slice(*np.searchsorted(self.y0, (y0 - pad, y1 + pad)))
        columns = slice(*np.searchsorted(self.x0, (x0 - pad, x1 + pad)))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def level(self, shape: Shape, window) -> np.ndarray:
        return shape.level(self.x[window], self.y[window], self.z[window])

    def paint(
        self, shape: Shape, tissue: int, where: np.ndarray, organ: int = 0, shell: int | None = None, thick: float = 0.0
    ):
        """Paint a shape where allowed; with ``shell``, its outermost ``thick`` mm get another tissue."""
        window = self.window(shape)
        if window is None:
            return None
        level = self.level(shape, window)
        inside = (level > 0) & where[window]
        self.tissue[window][inside] = tissue
        self.organ[window][inside] = organ
        if shell is not None:
            self.tissue[window][inside & (level < thick)] = shell
        return window, level, inside


def paint_plane(anatomy: Anatomy, x: np.ndarray, y: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Return tissue and organ at every point of a plane.

    Parameters
    ----------
    anatomy : Anatomy
        The subject.
    x, y : ndarray, (W,) and (H,)
        Rising coordinates of columns (to the patient's left) and rows (to the back), mm.
    z : float
        Height of the plane, mm.

    Returns
    -------
    tissue : ndarray, uint8, (H, W)
        Index into `TISSUES`.
    organ : ndarray, uint8, (H, W)
        Class as in `guided_attention.data.CLASSES`.
    """
    plane = _Plane(anatomy, x, y, z)
    cavity = _wall(plane, anatomy)
    solid = np.zeros_like(cavity)
    for shape, name in anatomy.spine:
        done = plane.paint(shape, T(name), plane.tissue > 0)
        if done:
            solid[done[0]] |= done[2]
    room = cavity & ~solid
    room &= ~_chest(plane, anatomy, room)
    mottle, speckle = anatomy.mottle.plane(x, y, z), anatomy.speckle.plane(x, y, z)
    _bowel(plane, anatomy, room, mottle, speckle)
    _upper_organs(plane, anatomy, room, speckle)
    _kidneys(plane, anatomy, room)
    return plane.tissue, plane.organ


def _wall(plane: _Plane, anatomy: Anatomy) -> np.ndarray:
    """Paint skin, fat, muscle, ribs and the fat inside; return where the cavity is."""
    body = anatomy.body
    out = body.outside(plane.wall_x, plane.wall_y, plane.z0)
    near = np.abs(plane.y) / (np.abs(plane.x) + np.abs(plane.y) + 1)  # 0 at the side, 1 in front and at the back
    front = plane.y < 0
    muscle = body.muscle * (1 - np.where(front, 0.4, 0.55) * near) * plane.thickness
    fat = body.fat_side + np.where(front, body.fat_front - body.fat_side, body.fat_back - body.fat_side) * near
    skin = muscle + fat * (2 - plane.thickness)
    plane.tissue[out < skin] = T("skin")
    plane.tissue[out < skin - 2] = T("fat")
    plane.tissue[out < muscle] = T("muscle")
    streak = (np.abs(out - 0.36 * muscle) < 0.6) | (np.abs(out - 0.68 * muscle) < 0.6)
    plane.tissue[streak & (near < 0.55 - 0.2 * (plane.thickness - 1))] = T("fat")
    if plane.z0 > body.rib_start - 25:
        # ribs run down towards the front: their height depends on y
        height = plane.z0 - 0.45 * plane.y + body.rib_phase
        along = np.abs((height % 25) - 12.5)
        rib = np.hypot(out - 0.45 * muscle, along * 0.75) - 5
        high = height > body.rib_start
        plane.tissue[(rib < 0) & high] = T("cortical bone")
        plane.tissue[(rib < -1.5) & high] = T("marrow")
    cavity = out < 0
    plane.tissue[cavity] = T("visceral fat")
    return cavity


def _chest(plane: _Plane, anatomy: Anatomy, room: np.ndarray) -> np.ndarray:
    """Paint lungs, heart and diaphragm; return where they are."""
    gap = plane.z - anatomy.body.diaphragm(plane.x, plane.y)
    chest = room & (gap > -3.5)
    plane.tissue[chest] = T("muscle")
    lung = room & (gap > 0)
    plane.tissue[lung] = T("lung")
    plane.paint(anatomy.organs.heart, T("heart"), lung, shell=T("fat"), thick=2)
    return chest


def _bowel(plane: _Plane, anatomy: Anatomy, room: np.ndarray, mottle: np.ndarray, speckle: np.ndarray) -> None:
    """Paint the loops: wall outside, fluid, chyme, stool or gas inside."""
    contents = np.full(room.shape, T("chyme"), np.uint8)
    contents[mottle > 0.5] = T("fluid")
    contents[(mottle < -0.3) & (speckle < 0.6)] = T("stool")
    contents[(mottle < -0.2) & (speckle > 0.4)] = T("gas")
    for tube in anatomy.bowel:
        window = plane.window(tube)
        if window is None:
            continue
        level = plane.level(tube, window)
        inside = (level > 0) & room[window]
        core = inside & (level > 2.5)
        tissue = plane.tissue[window]
        # a neighbouring piece of the same loop keeps its lumen
        tissue[inside & (tissue == T("visceral fat"))] = T("wall")
        tissue[core] = contents[window][core]


def _upper_organs(plane: _Plane, anatomy: Anatomy, room: np.ndarray, speckle: np.ndarray) -> None:
    """Paint pancreas, duodenum, stomach, spleen, liver with its vessels, gall bladder."""
    organs = anatomy.organs
    plane.paint(organs.pancreas, T("pancreas"), room & (speckle < 1.2))
    plane.paint(organs.duodenum, T("chyme"), room, shell=T("wall"), thick=2.5)
    done = plane.paint(organs.stomach, T("chyme"), room, shell=T("wall"), thick=4)
    if done:
        window, level, inside = done
        plane.tissue[window][inside & (level > 4) & (plane.y[window] < organs.gas_level)] = T("gas")
        plane.tissue[window][inside & (level > 4) & (speckle[window] > 0.9)] = T("fluid")
    _clear(plane, organs.spleen, room, 2.0)
    plane.paint(organs.spleen, T("spleen"), room, organ=4)
    plane.paint(organs.liver, T("liver"), room, organ=1)
    liver = plane.organ == 1
    for tube in organs.vessels:
        plane.paint(tube, T("liver vessel"), liver, organ=1)
    plane.paint(organs.gall_bladder, T("bile"), room, shell=T("wall"), thick=1.5)


def _kidneys(plane: _Plane, anatomy: Anatomy, room: np.ndarray) -> None:
    """Paint both kidneys in their fat: cortex, pyramids of medulla, sinus."""
    for organ, (bean, shape) in zip((2, 3), anatomy.organs.kidneys, strict=True):
        _clear(plane, bean, room, 5.0)
        done = plane.paint(shape, T("kidney cortex"), room, organ=organ)
        if not done:
            continue
        window, level, inside = done
        a, b, c = bean.own(plane.x[window], plane.y[window], plane.z[window])
        radius = np.sqrt(a * a + b * b + c * c)
        angle = np.arctan2(b, a)
        pyramid = np.cos(4 * angle + 2 * c) * np.cos(5.5 * c) > -0.25
        plane.tissue[window][inside & (radius < 0.76) & pyramid & (level > 4)] = T("kidney medulla")
        plane.tissue[window][inside & (a * a * 2 + b * b * 2 + c * c * 1.2 < 0.12)] = T("renal sinus")


def _clear(plane: _Plane, shape: Shape, room: np.ndarray, margin: float) -> None:
    """Lay fat around a shape, over what was painted before."""
    window = plane.window(shape, margin)
    if window is not None:
        around = (plane.level(shape, window) > -margin) & room[window]
        plane.tissue[window][around] = T("visceral fat")
        plane.organ[window][around] = 0
