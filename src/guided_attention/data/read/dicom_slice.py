"""One DICOM file to one slice: pixels, and what a volume needs of the header (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from guided_attention.data.integrity import decoding, grey_values
from guided_attention.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

__all__ = ["DicomSlice", "dicom_files", "read_slice", "slice_name"]

_ENDINGS = (".dcm", ".ima", ".dicom")

_TAGS = (
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
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


def dicom_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the DICOM files of a folder, and all others, by name; hidden files do not count.

    Scanners export files without an ending, or named after their identifier (``1.2.840.113``): what does not end in
    ``.dcm`` is known by its first bytes. An index of files, ``DICOMDIR``, has them too, and is no slice.
    """
    found, others = [], []
    for path in sorted(p for p in folder.glob("*") if p.is_file() and not p.name.startswith(".")):
        named = path.suffix.lower() == ".dcm"
        (found if named or (path.name.upper() != "DICOMDIR" and _starts_as_dicom(path)) else others).append(path)
    return found, others


def slice_name(path: Path) -> str:
    """Return the name that a slice and its label share: the file's, without an ending that stands for DICOM."""
    return path.stem if path.suffix.lower() in _ENDINGS else path.name


def _starts_as_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:  # cannot be opened: reading it will say why
        return True


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

    with decoding("DICOM"):
        data = dcmread(path, stop_before_pixels=not pixels)
        _refuse_frames(data)
        missing = [tag for tag in _TAGS if data.get(tag) in (None, "")]
        if missing:
            raise DataError(f"expected a DICOM slice, found no {', '.join(missing)} in it (cut or stripped?)")
        position, orientation, spacing = (np.array(data[tag].value, float).ravel() for tag in _TAGS[1:4])
        echo, series, shape = data.get("EchoTime"), str(data.SeriesInstanceUID), (int(data.Rows), int(data.Columns))
        echo = None if echo in (None, "") else float(echo)
        stored = _stored(data, shape) if pixels else None
    _check_geometry(position, orientation, spacing)
    grey = None if stored is None else grey_values(stored[0], stored[1])
    return DicomSlice(path, grey, shape, position, orientation.reshape(2, 3), spacing, series, echo)


def _refuse_frames(data: Dataset) -> None:
    """Refuse a file of several frames, classic or enhanced: each frame has a geometry of its own, deep inside."""
    frames, kind = int(data.get("NumberOfFrames") or 1), data.get("SOPClassUID")
    kind = "of unknown kind" if kind is None else kind.name
    if frames > 1 or "PerFrameFunctionalGroupsSequence" in data:
        raise DataError(
            f"expected one slice, found a multi-frame file ({kind}, {frames} frames), "
            "which is not read; split it into single slices (dcm4che's emf2sf), or convert it to NIfTI (dcm2niix)"
        )


def _require_decoder(syntax: UID) -> None:
    """Refuse compressed pixels that nothing installed here can decode; the file may be whole."""
    from pydicom.pixels import get_decoder

    if not syntax.is_transfer_syntax:
        raise DataError(
            f"expected one of DICOM's transfer syntaxes, found {syntax} (a maker's own?); export the file anew, "
            "uncompressed, or convert it to NIfTI (dcm2niix)"
        )
    if not syntax.is_compressed:
        return
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        how = "pydicom has no decoder for it; convert the file, with gdcmconv --raw for example"
    else:
        if decoder.is_available:
            return
        how = (
            'no decoder for it is installed; run: pip install "pylibjpeg[all]", or decompress the file, with '
            "gdcmconv --raw for example"
        )
    raise DataError(f"holds compressed pixels (transfer syntax {syntax.name}), and {how}")


def _check_geometry(position: np.ndarray, orientation: np.ndarray, spacing: np.ndarray) -> None:
    for tag, values, count in zip(_TAGS[1:4], (position, orientation, spacing), (3, 6, 2), strict=True):
        if values.shape != (count,) or not np.isfinite(values).all():
            raise DataError(f"{tag} must be {count} finite numbers, found {values.tolist()}")
    if not (spacing > 0).all():
        raise DataError(f"PixelSpacing must be positive, found {spacing.tolist()}")
    axes = orientation.reshape(2, 3)
    if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-3):
        raise DataError(f"ImageOrientationPatient must be two perpendicular unit vectors, found {orientation.tolist()}")


def _stored(data: Dataset, shape: tuple[int, int]) -> tuple[np.ndarray, str]:
    """Rescaled pixels in double precision, and what to say of the rescaling if they turn out to be too large."""
    samples, kind = int(data.get("SamplesPerPixel") or 1), data.get("PhotometricInterpretation", "MONOCHROME2")
    if (samples, kind) != (1, "MONOCHROME2"):
        raise DataError(f"expected one slice of MONOCHROME2, found {samples} samples of {kind}")
    _require_decoder(data.file_meta.TransferSyntaxUID)
    expected, found = shape[0] * shape[1] * int(data.BitsAllocated) // 8, len(data.PixelData)
    if not data.file_meta.TransferSyntaxUID.is_compressed and found not in (expected, expected + expected % 2):
        raise DataError(
            f"expected {expected} bytes of pixels ({shape[0]} rows x {shape[1]} columns of {data.BitsAllocated} bits), "
            f"found {found}: it is cut or damaged"
        )
    slope, intercept = data.get("RescaleSlope"), data.get("RescaleIntercept")
    pixels = data.pixel_array.astype(np.float64)
    if pixels.shape != shape:
        raise DataError(f"expected {shape[0]} x {shape[1]} pixels, as its header says, found {pixels.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = pixels * (1.0 if slope is None else float(slope)) + (0.0 if intercept is None else float(intercept))
    return pixels, f" (RescaleSlope {slope}, RescaleIntercept {intercept})"
