"""One folder of DICOM files, one file per slice, to an ordered stack (chapter *From scanner to tensor*)."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from guided_attention.data.integrity import Findings
from guided_attention.errors import DataError

__all__ = ["DicomSlice", "check_alike", "dicom_files", "order_slices", "read_slice", "stack_affine"]

#: Largest relative deviation of a gap between slices from the usual gap.
GAP_TOLERANCE = 0.02
_TAGS = (
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
)
# what pydicom raises for files that are cut or contradict themselves, beside errors of its own
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class DicomSlice:
    """One slice, with the little of its header that a volume needs.

    Parameters
    ----------
    path : Path
        Its file.
    pixels : ndarray, float32, (H, W), or None
        Grey values, rescaled; None where only the header was read.
    shape : tuple of 2 ints
        Rows and columns.
    position : ndarray, (3,)
        Centre of the first pixel in mm; DICOM's world runs to the patient's left, back and head.
    axes : ndarray, (2, 3)
        Unit vectors along a row (growing column index) and along a column (growing row index).
    pixel_spacing : ndarray, (2,)
        Distance between rows and between columns, mm.
    series : str
        SeriesInstanceUID.
    echo_time : float or None
        In ms.
    """

    path: Path
    pixels: np.ndarray | None
    shape: tuple[int, int]
    position: np.ndarray
    axes: np.ndarray
    pixel_spacing: np.ndarray
    series: str
    echo_time: float | None

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slice, (3,)."""
        return np.cross(self.axes[0], self.axes[1])


def dicom_files(folder: Path) -> list[Path]:
    """Return the DICOM files of a folder by name; hidden files do not count."""
    return sorted(p for p in folder.glob("*") if p.suffix.lower() == ".dcm" and not p.name.startswith("."))


def read_slice(path: Path, pixels: bool = True) -> DicomSlice:
    """Read one DICOM file.

    Parameters
    ----------
    path : Path
        The file.
    pixels : bool
        False reads only the header.

    Returns
    -------
    DicomSlice

    Raises
    ------
    DataError
        If the file is no DICOM, is cut, lacks a tag, or is not one grey slice. The message does not repeat the path.
    """
    from pydicom import dcmread
    from pydicom.errors import BytesLengthException, InvalidDicomError

    try:
        data = dcmread(path, stop_before_pixels=not pixels)
        missing = [tag for tag in _TAGS if data.get(tag) in (None, "")]
        if missing:
            raise DataError(f"expected a DICOM slice, found no {', '.join(missing)} in it (cut or stripped?)")
        position, orientation, spacing = (np.array(data[tag].value, float).ravel() for tag in _TAGS[1:4])
        _check_geometry(position, orientation, spacing)
        echo = data.get("EchoTime")
        return DicomSlice(
            path=path,
            pixels=_grey_values(data) if pixels else None,
            shape=(int(data.Rows), int(data.Columns)),
            position=position,
            axes=orientation.reshape(2, 3),
            pixel_spacing=spacing,
            series=str(data.SeriesInstanceUID),
            echo_time=None if echo in (None, "") else float(echo),
        )
    except DataError:
        raise
    except (BytesLengthException, InvalidDicomError, *_UNREADABLE) as error:
        raise DataError(f"cannot be read as DICOM, it is cut or damaged ({error})") from error


def _check_geometry(position: np.ndarray, orientation: np.ndarray, spacing: np.ndarray) -> None:
    for tag, values, count in zip(_TAGS[1:4], (position, orientation, spacing), (3, 6, 2), strict=True):
        if values.shape != (count,) or not np.isfinite(values).all():
            raise DataError(f"{tag} must be {count} finite numbers, found {values.tolist()}")
    if not (spacing > 0).all():
        raise DataError(f"PixelSpacing must be positive, found {spacing.tolist()}")
    axes = orientation.reshape(2, 3)
    if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-3):
        raise DataError(f"ImageOrientationPatient must be two perpendicular unit vectors, found {orientation.tolist()}")


def _grey_values(data) -> np.ndarray:
    frames, samples = int(data.get("NumberOfFrames") or 1), int(data.get("SamplesPerPixel") or 1)
    kind = data.get("PhotometricInterpretation", "MONOCHROME2")
    if (frames, samples, kind) != (1, 1, "MONOCHROME2"):
        raise DataError(f"expected one slice of MONOCHROME2, found {frames} frames of {samples} samples of {kind}")
    slope, intercept = data.get("RescaleSlope"), data.get("RescaleIntercept")
    pixels = data.pixel_array.astype(np.float64)
    pixels = pixels * (1.0 if slope is None else float(slope)) + (0.0 if intercept is None else float(intercept))
    if not np.isfinite(pixels).all():
        raise DataError(f"expected finite grey values, found NaN or infinity (RescaleSlope {slope}, {intercept})")
    return pixels.astype(np.float32)


def check_alike(slices: Sequence[DicomSlice], findings: Findings) -> None:
    """Note every slice that differs from most of its folder: another series, echo, matrix, pixel size or direction."""
    if not slices:
        return
    _outvoted(slices, lambda s: s.series, "belongs to series {0}, the others to {1} (mixed series)", findings)
    _outvoted(slices, lambda s: s.echo_time, "has EchoTime {0} ms, the others {1} ms (mixed series)", findings)
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
            findings.add(upper.path, f"lies at the same position as {lower.path.name} (duplicated slice)")
        elif abs(gap - usual) > GAP_TOLERANCE * usual:
            findings.add(
                upper.path,
                f"lies {gap:.2f} mm after {lower.path.name}, the other gaps are {usual:.2f} mm (uneven gap; is a "
                "slice missing?)",
            )
    aside = np.stack([s.position for s in ordered]) @ slices[0].axes.T  # (D, 2): along a row, along a column
    aside = np.abs(aside - np.median(aside, axis=0)) / slices[0].pixel_spacing[::-1]
    for s, pixels in zip(ordered, aside.max(axis=1), strict=True):
        if pixels > 1:
            findings.add(s.path, f"is shifted by {pixels:.1f} pixels against the other slices")
    return ordered


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
