"""Slices of one folder to an ordered stack with a place in the world (chapter *From scanner to tensor*)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np

from guided_attention.data.integrity import Findings
from guided_attention.data.read.dicom_slice import DicomSlice

__all__ = ["check_alike", "order_slices", "stack_affine"]

#: Largest relative deviation of a gap between slices from the usual gap.
GAP_TOLERANCE = 0.02


def check_alike(slices: Sequence[DicomSlice], findings: Findings) -> None:
    """Note every slice that differs from most of its folder: another series, echo, matrix, pixel size or direction."""
    if not slices:
        return
    _outvoted(slices, lambda s: s.series, "belongs to series {0}, the others to {1} (mixed series)", findings)
    _outvoted(slices, _nominal_echo, "has EchoTime {0} ms, the others {1} ms (mixed series)", findings)
    _outvoted(slices, lambda s: s.shape, "has {0[0]} x {0[1]} pixels, the others {1[0]} x {1[1]}", findings)
    for name, unit, tolerance in (("pixel_spacing", "PixelSpacing", 1e-3), ("axes", "ImageOrientationPatient", 1e-3)):
        values = np.stack([getattr(s, name) for s in slices])
        usual = np.median(values, axis=0)
        for s, value in zip(slices, values, strict=True):
            if np.abs(value - usual).max() > tolerance:
                findings.add(s.path, f"has {unit} {value.ravel().tolist()}, the others {usual.ravel().tolist()}")


def _outvoted(
    slices: Sequence[DicomSlice], of: Callable[[DicomSlice], Hashable], message: str, findings: Findings
) -> None:
    usual = Counter(map(of, slices)).most_common(1)[0][0]
    for s in slices:
        if of(s) != usual:
            findings.add(s.path, message.format(of(s), usual))


def _nominal_echo(s: DicomSlice) -> float | None:
    return None if s.echo_time is None else round(s.echo_time, 1)


def order_slices(slices: Sequence[DicomSlice], folder: Path, findings: Findings) -> list[DicomSlice]:
    """Sort slices along their normal; note duplicates, uneven gaps and slices that stand beside the stack.

    Parameters
    ----------
    slices : sequence of DicomSlice
        Alike, see `check_alike`.
    folder : Path
        Where they come from.
    findings : Findings
        Gets the problems.

    Returns
    -------
    list of DicomSlice
        By position along the normal: from the feet to the head for an axial stack. Names and numbers of files say
        nothing about it.
    """
    if len(slices) < 2:
        findings.add(folder, f"expected at least 2 readable DICOM slices, found {len(slices)}")
        return list(slices)
    normal = slices[0].normal
    ordered = sorted(slices, key=lambda s: float(s.position @ normal))
    gaps = np.diff([s.position @ normal for s in ordered])
    # the lower median: what is missing makes gaps larger, and of two gaps the smaller one is then the true one
    usual = float(np.quantile(gaps[gaps > 1e-3], 0.5, method="lower")) if (gaps > 1e-3).any() else 0.0
    for lower, upper, gap in zip(ordered, ordered[1:], gaps, strict=False):
        if gap <= GAP_TOLERANCE * usual:
            findings.add(upper.path, f"lies at the same position as {lower.name} (duplicated slice)")
        elif abs(gap - usual) > GAP_TOLERANCE * usual:
            findings.add(
                upper.path,
                f"lies {gap:.2f} mm after {lower.name}, the other gaps are {usual:.2f} mm (uneven gap; is a "
                "slice missing?)",
            )
    aside = np.stack([s.position for s in ordered]) @ slices[0].axes.T  # (D, 2): along a row, along a column
    pixels_aside = np.abs(aside - np.median(aside, axis=0)) / slices[0].pixel_spacing[::-1]
    if pixels_aside.max() > 1 and (tilt := _tilt(aside, gaps)):
        findings.add(
            folder,
            f"expected slices that lie above each other, found each shifted against the last as a gantry that is "
            f"tilted by {tilt:.1f} degrees shifts them; resample them to a rectangular grid first (dcm2niix does so)",
        )
        return ordered
    for s, pixels in zip(ordered, pixels_aside.max(axis=1), strict=True):
        if pixels > 1:
            findings.add(s.path, f"is shifted by {pixels:.1f} pixels against the other slices")
    return ordered


def _tilt(aside: np.ndarray, gaps: np.ndarray) -> float:
    """Return by how many degrees a stack leans, if all its slices lean alike; else 0."""
    steps = np.diff(aside, axis=0)
    lean = np.median(steps, axis=0)
    if len(steps) < 2 or gaps.min() <= 0 or np.linalg.norm(steps - lean, axis=1).max() > 0.05 * np.linalg.norm(lean):
        return 0.0
    return float(np.degrees(np.arctan2(np.linalg.norm(lean), np.median(gaps))))


def stack_affine(ordered: Sequence[DicomSlice]) -> np.ndarray:
    """Return the (4, 4) affine of the stack, from (column, row, slice, 1) to mm in NIfTI's RAS+ world.

    The distance between slices comes from their positions: SliceThickness leaves out gaps and overlaps.
    """
    first, last = ordered[0], ordered[-1]
    between_rows, between_columns = first.pixel_spacing
    distance = (last.position - first.position) @ first.normal / (len(ordered) - 1)
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * between_columns
    affine[:3, 1] = first.axes[1] * between_rows
    affine[:3, 2] = first.normal * distance
    affine[:3, 3] = first.position
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # DICOM runs to left and back, NIfTI to right and front
