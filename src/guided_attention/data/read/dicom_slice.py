"""One DICOM file to its slices: pixels, and what a volume needs of the header (chapter *From scanner to tensor*)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from guided_attention.data.integrity import decoding, grey_values
from guided_attention.data.read.dicom_frames import begins_as_dicom, headers_of, parse
from guided_attention.data.read.names import DICOM
from guided_attention.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

__all__ = ["DicomSlice", "dicom_files", "is_dicom", "read_slice", "read_slices", "slice_name"]

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
    number, description : str
        SeriesNumber and SeriesDescription, empty where there is none.
    traits : tuple of str
        ImageType, and the number of the time point: what may tell two pictures of one place and series apart.
    frame : int
        Number in a file of several, from 1; 0 where the file is the slice.
    """

    path: Path
    pixels: np.ndarray | None
    shape: tuple[int, int]
    position: np.ndarray
    axes: np.ndarray
    pixel_spacing: np.ndarray
    series: str
    echo_time: float | None
    number: str = ""
    description: str = ""
    traits: tuple[str, ...] = ()
    frame: int = 0

    @property
    def name(self) -> str:
        """What to call it."""
        return f"frame {self.frame} of {self.path.name}" if self.frame else self.path.name

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slice, (3,)."""
        return np.cross(self.axes[0], self.axes[1])


def dicom_files(folder: Path, deep: bool = False) -> tuple[list[Path], list[Path]]:
    """Return the DICOM files of a folder, and all others, by name; hidden files do not count.

    Scanners export files without an ending, or named after their identifier (``1.2.840.113``): what does not end in
    ``.dcm`` is known by its first bytes. An index of files, ``DICOMDIR``, has them too, and is no slice.

    Parameters
    ----------
    folder : Path
    deep : bool
        Whether folders inside count, as an export with a ``DICOMDIR`` has them.
    """
    found, others = [], []
    for path in sorted(p for p in (folder.rglob("*") if deep else folder.glob("*")) if p.is_file()):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            (found if is_dicom(path) else others).append(path)
    return found, others


def is_dicom(path: Path) -> bool:
    """Whether a file is a DICOM object by its name or its first bytes, and no index of such files."""
    if path.suffix.lower() == ".dcm":
        return True
    try:
        with path.open("rb") as file:
            return path.name.upper() != "DICOMDIR" and begins_as_dicom(file.read(132))
    except OSError:  # cannot be opened: reading it will say why
        return path.is_file()


def slice_name(path: Path) -> str:
    """Return the name that a slice and its label share: the file's, without an ending that stands for DICOM."""
    return path.stem if path.suffix.lower() in DICOM else path.name


def read_slice(path: Path, pixels: bool = True) -> DicomSlice:
    """Read a file of one slice; arguments and errors as for `read_slices`."""
    found = read_slices(path, pixels)
    if len(found) > 1:
        raise DataError(f"expected one slice, found a multi-frame file of {len(found)} frames")
    return found[0]


def read_slices(path: Path, pixels: bool = True) -> list[DicomSlice]:
    """Read one DICOM file.

    Parameters
    ----------
    path : Path
        The file.
    pixels : bool
        False reads only the header.

    Returns
    -------
    list of DicomSlice
        One; of an enhanced multi-frame file one for each frame, in the order of the file.

    Raises
    ------
    DataError
        If the file is no DICOM, is cut, lacks a tag, or holds no grey slices. The message does not repeat the path.
    """
    with decoding("DICOM"):
        data = parse(path, pixels)
        headers = headers_of(data)
        found = [_described(path, header, number) for number, header in enumerate(headers, 1)]
        if "PerFrameFunctionalGroupsSequence" not in data:
            found = [replace(found[0], frame=0)]
        if not pixels:
            return found
        stored = _stored(data, (len(found), *found[0].shape))
        rescaled = [_rescaled(plane, header) for plane, header in zip(stored, headers, strict=True)]
    return [replace(one, pixels=grey_values(*grey)) for one, grey in zip(found, rescaled, strict=True)]


def _described(path: Path, data: Dataset, frame: int) -> DicomSlice:
    missing = [tag for tag in _TAGS if data.get(tag) in (None, "")]
    if missing:
        raise DataError(f"expected a DICOM slice, found no {', '.join(missing)} in it (cut or stripped?)")
    position, orientation, spacing = (np.array(data[tag].value, float).ravel() for tag in _TAGS[1:4])
    _check_geometry(position, orientation, spacing)
    echo = data.get("EchoTime")
    return DicomSlice(
        path,
        None,
        (int(data.Rows), int(data.Columns)),
        position,
        orientation.reshape(2, 3),
        spacing,
        str(data.SeriesInstanceUID),
        None if echo in (None, "") else float(echo),
        *(str("" if data.get(tag) is None else data.get(tag)).strip() for tag in ("SeriesNumber", "SeriesDescription")),
        traits=(*map(str, data.get("ImageType") or ()), str(data.get("TemporalPositionIdentifier") or "")),
        frame=frame,
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


def _stored(data: Dataset, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the pixels of all frames as they are stored, (frames, H, W)."""
    samples, kind = int(data.get("SamplesPerPixel") or 1), data.get("PhotometricInterpretation", "MONOCHROME2")
    if (samples, kind) != (1, "MONOCHROME2"):
        raise DataError(f"expected one slice of MONOCHROME2, found {samples} samples of {kind}")
    _require_decoder(data.file_meta.TransferSyntaxUID)
    expected, found = math.prod(shape) * int(data.BitsAllocated) // 8, len(data.PixelData)
    if not data.file_meta.TransferSyntaxUID.is_compressed and found not in (expected, expected + expected % 2):
        frames = f"{shape[0]} frames of " if shape[0] > 1 else ""
        raise DataError(
            f"expected {expected} bytes of pixels ({frames}{shape[1]} rows x {shape[2]} columns of "
            f"{data.BitsAllocated} bits), found {found}: it is cut or damaged"
        )
    pixels = data.pixel_array
    if pixels.shape not in (shape, shape[1:] if shape[0] == 1 else shape):
        raise DataError(f"expected {shape[1]} x {shape[2]} pixels, as its header says, found {pixels.shape}")
    return pixels.reshape(shape)


def _rescaled(plane: np.ndarray, data: Dataset) -> tuple[np.ndarray, str]:
    """Return pixels in double precision, and what to say of the rescaling if they turn out to be too large."""
    slope, intercept = data.get("RescaleSlope"), data.get("RescaleIntercept")
    with np.errstate(over="ignore", invalid="ignore"):
        plane = plane * (1.0 if slope is None else float(slope)) + (0.0 if intercept is None else float(intercept))
    return plane, f" (RescaleSlope {slope}, RescaleIntercept {intercept})"
