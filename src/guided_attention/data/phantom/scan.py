"""The scanner: geometry, partial volume, shading, ghosts, noise, 12 bits (chapter *From scanner to tensor*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from guided_attention.data.phantom.anatomy import Anatomy
from guided_attention.data.phantom.geometry import Geometry
from guided_attention.data.phantom.paint import paint_plane
from guided_attention.data.phantom.physics import fat_water_magnitude, rician, spin_echo, spoiled_gradient_echo
from guided_attention.data.phantom.plane import REACH
from guided_attention.data.phantom.settings import PhantomSettings
from guided_attention.data.phantom.tissues import FAT_T1, FAT_T2, FAT_T2STAR, TISSUES, tissue_number
from guided_attention.data.phantom.waves import Waves
from guided_attention.data.volume import CLASSES

__all__ = ["Protocol", "expose", "fractions", "magnitudes", "moving_parts", "signals"]


@dataclass(frozen=True)
class Protocol:
    """Sequence settings: times in ms, angles in degrees. Typical of 1.5 T abdominal protocols, not CHAOS's own."""

    t1_tr: float = 115.0
    t1_flip: float = 80.0
    te_in: float = 4.6
    te_out: float = 2.3
    t2_tr: float = 2500.0
    t2_te: float = 80.0
    spir_residue: float = 0.12


def fractions(
    anatomy: Anatomy, geometry: Geometry, z: float, settings: PhantomSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Sample one slice more finely than its voxels and count: partial volume.

    Returns
    -------
    tissue : ndarray, float32, (H, W, tissues)
        Share of each tissue in each voxel; adds up to 1.
    organ : ndarray, uint8, (H, W)
        Class with the largest share.
    """
    n, m, k = geometry.matrix, settings.in_plane_samples, settings.through_plane_samples
    rows, columns = _window(anatomy, geometry)
    x, y = geometry.rows_and_columns(m)
    x, y = x[columns.start * m : columns.stop * m], y[rows.start * m : rows.stop * m]
    offsets = (np.arange(k) - (k - 1) / 2) / k * geometry.thickness
    planes = [paint_plane(anatomy, x, y, z + offset) for offset in offsets]
    # outside the window there is only air
    tissue = np.zeros((n, n, len(TISSUES)), np.float32)
    tissue[..., tissue_number("air")] = 1
    tissue[rows, columns] = _count([p[0] for p in planes], m, len(TISSUES)) * np.float32(1 / (m * m * k))
    organ = np.zeros((n, n), np.uint8)
    organ[rows, columns] = _count([p[1] for p in planes], m, len(CLASSES)).argmax(-1)
    return tissue, organ


def _window(anatomy: Anatomy, geometry: Geometry) -> tuple[slice, slice]:
    """Rows and columns of voxels that the body can reach."""
    x, y = geometry.rows_and_columns()
    w, d = 1.04 * anatomy.body.outer_width + REACH, anatomy.body.outer_depth + REACH
    return slice(*np.searchsorted(y, (-d, d))), slice(*np.searchsorted(x, (-w, w)))


def _count(planes: list[np.ndarray], m: int, kinds: int) -> np.ndarray:
    """How often each kind occurs among the m x m points per voxel of all planes: (H, W, kinds)."""
    height, width = planes[0].shape[0] // m, planes[0].shape[1] // m
    voxel = (np.arange(height * m) // m)[:, None] * width + (np.arange(width * m) // m)[None, :]
    codes = np.stack(planes) + kinds * voxel
    return np.bincount(codes.ravel(), minlength=height * width * kinds).reshape(height, width, kinds)


def signals(table: dict[str, np.ndarray], protocol: Protocol) -> dict[str, np.ndarray]:
    """Signal per tissue: ``water_in``, ``fat_in``, ``water_out``, ``fat_out``, ``t2`` (water) and ``t2_fat``."""
    water, fat = table["pd"] * (1 - table["fat"]), table["pd"] * table["fat"]
    out = {}
    for name, te in (("in", protocol.te_in), ("out", protocol.te_out)):
        out[f"water_{name}"] = spoiled_gradient_echo(
            water, table["t1"], protocol.t1_tr, protocol.t1_flip, te, table["t2star"]
        )
        out[f"fat_{name}"] = spoiled_gradient_echo(fat, FAT_T1, protocol.t1_tr, protocol.t1_flip, te, FAT_T2STAR)
    out["t2"] = spin_echo(water, table["t1"], table["t2"], protocol.t2_tr, protocol.t2_te)
    out["t2_fat"] = spin_echo(fat, FAT_T1, FAT_T2, protocol.t2_tr, protocol.t2_te)
    return out


def expose(
    images: Sequence[np.ndarray],
    moving: np.ndarray,
    liver: float,
    geometry: Geometry,
    settings: PhantomSettings,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Turn the noiseless magnitude volumes of one acquisition into what the scanner stores.

    All images of one acquisition (in-phase and out-of-phase, say) share the coil's shading, the ghosts' places and the
    scale of their grey values; each has noise of its own.

    Parameters
    ----------
    images : sequence of ndarray, float64, (D, H, W)
        Noiseless magnitudes; the brightest part of the first sets the scale.
    moving : ndarray, float64, (D, H, W)
        How much of each voxel moves with breath or pulse, from 0; its signal repeats along the phase encoding.
    liver : float
        Signal of the liver, the yardstick of the noise.
    geometry, settings
        Of the scan.
    rng : numpy.random.Generator
        Of shading, ghosts and noise.

    Returns
    -------
    list of ndarray, uint16, (D, H, W)
        12-bit grey values.
    """
    x, y = geometry.rows_and_columns()
    shading = Waves(rng, 12, (250, 700))
    gain = np.stack([shading.plane(x, y, z) for z in geometry.heights()])
    gain = np.exp(settings.bias * np.clip(gain, -2, 2))
    # the coil ends somewhere: the highest slices may be darker
    end = np.clip(np.linspace(-3, 1, geometry.slices), 0, None) ** 2
    gain *= np.exp(-settings.bias * rng.uniform(0, 6) * end)[:, None, None]
    period = int(geometry.matrix * rng.uniform(0.2, 0.45))
    peak, measured, stored = rng.uniform(900, 1500), _measured(geometry.matrix), []
    for image in images:
        seen = image * gain
        source = seen * moving
        for step, strength in ((period, 1.0), (-period, 0.8), (2 * period, 0.4)):
            # front to back is the phase-encoding direction: what moves appears again, shifted along the rows
            seen += settings.ghosts * strength * np.roll(source, step, axis=1)
        for plane in seen:  # one by one, because complex double precision takes room
            plane[:] = rician(plane, settings.noise * liver, rng, measured)
        if not stored:
            scale = peak / np.percentile(seen, 99.8)
        stored.append(np.clip(np.round(seen * scale), 0, 4095).astype(np.uint16))
    return stored


def _measured(matrix: int, share: float = 0.8) -> np.ndarray:
    """Weights of the spatial frequencies: ``share`` of them is measured along each axis, the rest filled with zeros."""
    frequency = np.abs(np.fft.fftfreq(matrix)) / (0.5 * share)
    edge = 1 / (1 + np.exp((frequency - 1) / 0.08))
    return np.outer(edge, edge)


def moving_parts(share: np.ndarray, y: np.ndarray, depth: float) -> np.ndarray:
    """How much of each voxel moves: the front of the body with the breath, arteries with the pulse."""
    breath = np.clip((-y - 0.45 * depth) / (0.4 * depth), 0, 1)[:, None]
    return breath + 1.5 * share[..., tissue_number("fast blood")]


def magnitudes(
    share: np.ndarray, table: dict[str, np.ndarray], protocol: Protocol, suppression: np.ndarray | float = 0.0
) -> dict[str, np.ndarray]:
    """Noiseless parts and magnitudes of one slice.

    Parameters
    ----------
    share : ndarray, float32, (..., tissues)
        Share of each tissue in each voxel.
    table : dict of str to ndarray, (tissues,)
        Properties of the tissues (`tissue_table`).
    protocol : Protocol
        Times and angles.
    suppression : ndarray (...) or float
        A slowly varying field of standard deviation 1; where it is positive, T2-SPIR suppresses fat less and less.

    Returns
    -------
    dict of str to ndarray, float64, (...)
        ``water_in``, ``fat_in``, ``water_out``, ``fat_out``, ``t2`` (water), ``t2_fat``, and the magnitudes ``in``,
        ``out``, ``t2spir``.
    """
    per_tissue = signals(table, protocol)
    parts = {name: share @ value for name, value in per_tissue.items()}
    parts["in"] = fat_water_magnitude(parts["water_in"], parts["fat_in"], protocol.te_in)
    parts["out"] = fat_water_magnitude(parts["water_out"], parts["fat_out"], protocol.te_out)
    residue = protocol.spir_residue * (1 + 1.5 * np.clip(suppression, 0, 2) ** 2)
    parts["t2spir"] = parts["t2"] + residue * parts["t2_fat"]
    return parts
