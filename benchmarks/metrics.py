"""Mean surface distance, normalised surface Dice and HD95 of four organs, by four programs.

MedPy has no normalised surface Dice, so it is let off that; DeepMind's surface-distance weighs each voxel by its area,
so its numbers differ in the second digit. The facts of the record hold all of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks.case import Case, Job, Work
from guided_attention.data import CLASSES, Volume, make_phantom, open_source
from guided_attention.data.phantom import phantom_settings
from guided_attention.evaluation.distances import surface_distances
from guided_attention.evaluation.scores import NSD_TOLERANCE

ORGANS = range(1, len(CLASSES))
#: MSD in mm, HD95 in mm, NSD, each a list by organ; NaN where a program lacks one.
Values = dict[str, list[float]]


def reference_of(job: Job) -> Volume:
    """The first real volume of the folder, or the phantom."""
    if job.data is None:
        return make_phantom(7, phantom_settings("tiny" if job.quick else "full")).in_phase
    source = open_source(Path(job.data))
    return source.read(source.subjects[0])


def prediction_of(labels: np.ndarray) -> np.ndarray:
    """Labels as a network might give them: smooth outlines, two pixels off, a piece too few and one too many."""
    shares = [ndimage.gaussian_filter((labels == c).astype(np.float32), (0.5, 2, 2)) for c in range(len(CLASSES))]
    found = np.roll(np.argmax(shares, axis=0).astype(np.uint8), (1, 2), axis=(1, 2))
    found[:, :, found.shape[2] * 2 // 5 :][:, :, :3] = 0
    middle = tuple(n // 2 for n in found.shape)
    found[middle[0], middle[1] : middle[1] + 3, middle[2] : middle[2] + 3] = 4
    return found


def package(pred: np.ndarray, ref: np.ndarray, spacing: tuple[float, float, float]) -> Values:
    found = [surface_distances(pred == organ, ref == organ, spacing) for organ in ORGANS]
    return {
        "MSD": [d.pooled_mean for d in found],
        "HD95": [d.percentile(95) for d in found],
        "NSD": [d.share_within(NSD_TOLERANCE) for d in found],
    }


def monai(pred: np.ndarray, ref: np.ndarray, spacing: tuple[float, float, float]) -> Values:
    """MONAI takes all organs in one batch of masks."""
    import torch
    from monai import metrics

    masks = [torch.from_numpy(np.stack([labels == organ for organ in ORGANS]))[None] for labels in (pred, ref)]
    common = {"include_background": True, "spacing": spacing}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean = metrics.compute_average_surface_distance(*masks, symmetric=True, **common)
        robust = metrics.compute_hausdorff_distance(*masks, percentile=95, **common)
        near = metrics.compute_surface_dice(*masks, [NSD_TOLERANCE] * len(ORGANS), **common)
    return {name: values[0].tolist() for name, values in (("MSD", mean), ("HD95", robust), ("NSD", near))}


def medpy(pred: np.ndarray, ref: np.ndarray, spacing: tuple[float, float, float]) -> Values:
    from medpy.metric import binary

    pairs = [(pred == organ, ref == organ) for organ in ORGANS]
    return {
        "MSD": [float(binary.assd(*pair, spacing)) for pair in pairs],
        "HD95": [float(binary.hd95(*pair, spacing)) for pair in pairs],
        "NSD": [float("nan")] * len(ORGANS),
    }


def surface_distance(pred: np.ndarray, ref: np.ndarray, spacing: tuple[float, float, float]) -> Values:
    import surface_distance as deepmind

    found = [deepmind.compute_surface_distances(pred == organ, ref == organ, spacing) for organ in ORGANS]
    return {
        "MSD": [float(np.mean(deepmind.compute_average_surface_distance(d))) for d in found],
        "HD95": [float(deepmind.compute_robust_hausdorff(d, 95)) for d in found],
        "NSD": [float(deepmind.compute_surface_dice_at_tolerance(d, NSD_TOLERANCE)) for d in found],
    }


PROGRAMS: dict[str, Callable[..., Values]] = {
    "MedPy": medpy,
    "MONAI": monai,
    "surface-distance": surface_distance,
    "package": package,
}


def prepare(job: Job, size: int | None) -> Work:
    volume = reference_of(job)
    pred, compute = prediction_of(volume.labels), PROGRAMS[job.contender]

    def once() -> Values:
        return compute(pred, volume.labels, volume.spacing)

    def facts() -> dict[str, float]:
        return {
            f"{name} {CLASSES[organ]}": value
            for name, values in once().items()
            for organ, value in zip(ORGANS, values, strict=True)
            if not np.isnan(value)
        }

    return Work(once, facts)


METRICS = Case(
    "metrics",
    "MSD, HD95 and NSD of four organs",
    prepare,
    lambda device: tuple(PROGRAMS),
    lambda quick, device: {"NSD tolerance in mm": NSD_TOLERANCE},
    needs={"MedPy": ("medpy", "MedPy"), "surface-distance": ("surface_distance", "surface-distance")},
)
