"""From shapes to tissues: which tissue lies at every point of a slice (chapter *From scanner to tensor*)."""

from __future__ import annotations

import numpy as np

from guided_attention.data.phantom.anatomy import Anatomy
from guided_attention.data.phantom.plane import Plane
from guided_attention.data.phantom.tissues import tissue_number as T

__all__ = ["paint_plane"]


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
    plane = Plane(anatomy.bend, anatomy.ripple, x, y, z)
    cavity, trunk = _wall(plane, anatomy)
    solid = np.zeros_like(cavity)
    for shape, name in anatomy.spine:
        done = plane.paint(shape, T(name), trunk)
        if done:
            solid[done[0]] |= done[2]
    room = cavity & ~solid
    mottle, speckle = (waves.plane(x, y, z).astype(np.float32) for waves in (anatomy.mottle, anatomy.speckle))
    room &= ~_chest(plane, anatomy, room, mottle, speckle)
    _bowel(plane, anatomy, room, mottle, speckle)
    _upper_organs(plane, anatomy, room, speckle)
    _kidneys(plane, anatomy, room)
    return plane.tissue, plane.organ


def _wall(plane: Plane, anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """Paint skin, fat, muscle, ribs and the fat inside; return where the cavity is, and the cavity with its wall."""
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
        rib = np.sqrt(np.square(out - 0.45 * muscle) + np.square(along * 0.75)) - 5
        high = height > body.rib_start
        np.copyto(plane.tissue, T("cortical bone"), where=(rib < 0) & high)
        np.copyto(plane.tissue, T("marrow"), where=(rib < -1.5) & high)
    cavity = out < 0
    np.copyto(plane.tissue, T("visceral fat"), where=cavity)
    return cavity, out < muscle


def _either(where: np.ndarray, yes: float, no: float) -> np.ndarray:
    """``np.where`` for two numbers, in single precision."""
    return np.where(where, np.float32(yes), np.float32(no))


def _chest(plane: Plane, anatomy: Anatomy, room: np.ndarray, mottle: np.ndarray, speckle: np.ndarray) -> np.ndarray:
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


def _bowel(plane: Plane, anatomy: Anatomy, room: np.ndarray, mottle: np.ndarray, speckle: np.ndarray) -> None:
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
        if window is None or not room[window].any():
            continue
        level = plane.level(tube, window)
        inside = (level > 0) & room[window]
        core = inside & (level > 2.5)
        tissue = plane.tissue[window]
        # a neighbouring piece of the same loop keeps its lumen
        np.copyto(tissue, T("wall"), where=inside & ((tissue == T("visceral fat")) | (tissue == T("blood"))))
        np.copyto(tissue, mixed[window] if contents == "mixed" else T(contents), where=core)


def _upper_organs(plane: Plane, anatomy: Anatomy, room: np.ndarray, speckle: np.ndarray) -> None:
    """Paint pancreas, duodenum, stomach, spleen, liver with its vessels, gall bladder."""
    organs = anatomy.organs
    plane.paint(organs.pancreas, T("pancreas"), room & (speckle < 1.2))
    plane.paint(organs.duodenum, T("chyme"), room, shell=T("wall"), thick=2.5)
    done = plane.paint(organs.stomach, T("chyme"), room, shell=T("wall"), thick=4)
    if done:
        window, level, inside = done
        lumen, above = inside & (level > 4), plane.y[window] < organs.gas_level
        np.copyto(plane.tissue[window], T("gas"), where=lumen & above)
        np.copyto(plane.tissue[window], T("fluid"), where=lumen & ~above & (speckle[window] > 1.5))
    plane.clear(organs.spleen, room, 2.0)
    plane.paint(organs.spleen, T("spleen"), room, organ=4)
    plane.paint(organs.liver, T("liver"), room, organ=1)
    liver = plane.organ == 1
    for tube in organs.vessels:
        plane.paint(tube, T("liver vessel"), liver, organ=1)
    plane.paint(organs.gall_bladder, T("bile"), room, shell=T("wall"), thick=1.5)


def _kidneys(plane: Plane, anatomy: Anatomy, room: np.ndarray) -> None:
    """Paint both kidneys in their fat: cortex, pyramids of medulla, sinus."""
    for organ, (bean, shape) in zip((2, 3), anatomy.organs.kidneys, strict=True):
        plane.clear(bean, room, 3.5)
        done = plane.paint(shape, T("kidney cortex"), room, organ=organ)
        if not done:
            continue
        window, level, inside = done
        a, b, c = bean.own(plane.x[window], plane.y[window], plane.z[window])
        radius = np.sqrt(a * a + b * b + c * c)
        angle, along = np.arctan2(b, a, dtype=np.float64), c.astype(np.float64)
        pyramid = np.cos(4 * angle + 2 * along) * np.cos(5.5 * along) > -0.25
        np.copyto(plane.tissue[window], T("kidney medulla"), where=inside & (radius < 0.76) & pyramid & (level > 4))
        np.copyto(plane.tissue[window], T("renal sinus"), where=inside & (a * a * 2 + b * b * 2 + c * c * 1.2 < 0.12))
