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
    bowel: list[tuple[Tube, str]]
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
        ripple=tuple(Waves(rng, 10, (35, 90)) for _ in range(3)),
        mottle=Waves(rng, 18, (25, 70)),
        speckle=Waves(rng, 30, (9, 26)),
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
        self.reach = [(float(s.min()), float(s.max())) for s in shift]
        self.tissue = np.zeros(self.x.shape, np.uint8)
        self.organ = np.zeros(self.x.shape, np.uint8)

    def window(self, shape: Shape, pad: float = 0.0):
        """Rows and columns that can lie inside the shape, or None where it misses the plane."""
        # a point p is inside when p + shift is: the box moves by the least and the largest shift
        (x0, x1), (y0, y1), (z0, z1) = shape.box
        (a0, a1), (b0, b1), (c0, c1) = self.reach
        if not z0 - pad - c1 <= self.z0 <= z1 + pad - c0:
            return None
        rows = slice(*np.searchsorted(self.y0, (y0 - pad - b1, y1 + pad - b0)))
        columns = slice(*np.searchsorted(self.x0, (x0 - pad - a1, x1 + pad - a0)))
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
        np.copyto(self.tissue[window], tissue, where=inside)
        np.copyto(self.organ[window], organ, where=inside)
        if shell is not None:
            np.copyto(self.tissue[window], shell, where=inside & (level < thick))
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
    mottle, speckle = anatomy.mottle.plane(x, y, z), anatomy.speckle.plane(x, y, z)
    room &= ~_chest(plane, anatomy, room, mottle, speckle)
    _bowel(plane, anatomy, room, mottle, speckle)
    _upper_organs(plane, anatomy, room, speckle)
    _kidneys(plane, anatomy, room)
    return plane.tissue, plane.organ


def _wall(plane: _Plane, anatomy: Anatomy) -> np.ndarray:
    """Paint skin, fat, muscle, ribs and the fat inside; return where the cavity is."""
    body = anatomy.body
    out = body.outside(plane.wall_x, plane.wall_y, plane.z0)
    flank = np.abs(plane.wall_x)
    near = np.abs(plane.wall_y)
    near = near / (flank + near + 1)  # 0 at the side, 1 in front and at the back
    front = plane.wall_y < 0
    muscle = plane.thickness * body.muscle * (1 - _either(front, 0.4, 0.55) * near)
    fat = _either(front, body.fat_front - body.fat_side, body.fat_back - body.fat_side) * near + body.fat_side
    skin = muscle + fat * (2 - plane.thickness)
    np.copyto(plane.tissue, T("skin"), where=out < skin)
    np.copyto(plane.tissue, T("fat"), where=out < skin - 2)
    np.copyto(plane.tissue, T("muscle"), where=out < muscle)
    streak = (np.abs(out - 0.36 * muscle) < 0.6) | (np.abs(out - 0.68 * muscle) < 0.6)
    np.copyto(plane.tissue, T("fat"), where=streak & (near < 0.55))
    if plane.z0 > body.rib_start - 25:
        # ribs run down towards the front: their height depends on y
        height = plane.z0 - 0.45 * plane.y + body.rib_phase
        along = np.abs((height % 25) - 12.5)
        rib = np.hypot(out - 0.45 * muscle, along * 0.75) - 5
        high = height > body.rib_start
        np.copyto(plane.tissue, T("cortical bone"), where=(rib < 0) & high)
        np.copyto(plane.tissue, T("marrow"), where=(rib < -1.5) & high)
    cavity = out < 0
    np.copyto(plane.tissue, T("visceral fat"), where=cavity)
    return cavity


def _either(where: np.ndarray, yes: float, no: float) -> np.ndarray:
    """``np.where`` for two numbers, in single precision."""
    return np.where(where, np.float32(yes), np.float32(no))


def _chest(plane: _Plane, anatomy: Anatomy, room: np.ndarray, mottle: np.ndarray, speckle: np.ndarray) -> np.ndarray:
    """Paint lungs, heart and diaphragm; return where they are."""
    gap = plane.z - anatomy.body.diaphragm(plane.x, plane.y)
    chest = room & (gap > -3.5)
    np.copyto(plane.tissue, T("muscle"), where=chest)
    lung = room & (gap > 0)
    np.copyto(plane.tissue, T("lung"), where=lung)
    np.copyto(plane.tissue, T("blood"), where=lung & (speckle > 2.1))
    done = plane.paint(anatomy.organs.heart, T("heart"), lung, shell=T("visceral fat"), thick=3)
    if done:
        window, level, inside = done
        np.copyto(plane.tissue[window], T("blood"), where=inside & (level > 10) & (np.abs(mottle[window] - 0.2) > 0.35))
    return chest


def _bowel(plane: _Plane, anatomy: Anatomy, room: np.ndarray, mottle: np.ndarray, speckle: np.ndarray) -> None:
    """Paint the loops: wall outside, fluid, chyme, stool or gas inside."""
    # small vessels make the fat between the loops uneven
    net = room & (plane.tissue == T("visceral fat")) & (speckle > 1.9) & (plane.y < 25)
    np.copyto(plane.tissue, T("blood"), where=net)
    mixed = np.full(room.shape, T("chyme"), np.uint8)
    np.copyto(mixed, T("fluid"), where=mottle > 0.9)
    np.copyto(mixed, T("stool"), where=mottle < 0.2)
    np.copyto(mixed, T("gas"), where=(mottle < 0.2) & (speckle > 0.3))
    for tube, contents in anatomy.bowel:
        window = plane.window(tube)
        if window is None:
            continue
        level = plane.level(tube, window)
        inside = (level > 0) & room[window]
        core = inside & (level > 2.5)
        tissue = plane.tissue[window]
        # a neighbouring piece of the same loop keeps its lumen
        np.copyto(tissue, T("wall"), where=inside & ((tissue == T("visceral fat")) | (tissue == T("blood"))))
        np.copyto(tissue, mixed[window] if contents == "mixed" else T(contents), where=core)


def _upper_organs(plane: _Plane, anatomy: Anatomy, room: np.ndarray, speckle: np.ndarray) -> None:
    """Paint pancreas, duodenum, stomach, spleen, liver with its vessels, gall bladder."""
    organs = anatomy.organs
    plane.paint(organs.pancreas, T("pancreas"), room & (speckle < 1.2))
    plane.paint(organs.duodenum, T("chyme"), room, shell=T("wall"), thick=2.5)
    done = plane.paint(organs.stomach, T("chyme"), room, shell=T("wall"), thick=4)
    if done:
        window, level, inside = done
        np.copyto(plane.tissue[window], T("gas"), where=inside & (level > 4) & (plane.y[window] < organs.gas_level))
        np.copyto(plane.tissue[window], T("fluid"), where=inside & (level > 4) & (speckle[window] > 1.5))
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
        _clear(plane, bean, room, 3.5)
        done = plane.paint(shape, T("kidney cortex"), room, organ=organ)
        if not done:
            continue
        window, level, inside = done
        a, b, c = bean.own(plane.x[window], plane.y[window], plane.z[window])
        radius = np.sqrt(a * a + b * b + c * c)
        angle = np.arctan2(b, a)
        pyramid = np.cos(4 * angle + 2 * c) * np.cos(5.5 * c) > -0.25
        np.copyto(plane.tissue[window], T("kidney medulla"), where=inside & (radius < 0.76) & pyramid & (level > 4))
        np.copyto(plane.tissue[window], T("renal sinus"), where=inside & (a * a * 2 + b * b * 2 + c * c * 1.2 < 0.12))


def _clear(plane: _Plane, shape: Shape, room: np.ndarray, margin: float) -> None:
    """Lay fat around a shape, over what was painted before."""
    window = plane.window(shape, margin)
    if window is not None:
        around = (plane.level(shape, window) > -margin) & room[window]
        np.copyto(plane.tissue[window], T("visceral fat"), where=around)
        np.copyto(plane.organ[window], 0, where=around)
