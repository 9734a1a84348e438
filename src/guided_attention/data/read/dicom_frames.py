"""One DICOM file to headers of single slices, enhanced multi-frame files too (chapter *From scanner to tensor*)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guided_attention.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["begins_as_dicom", "headers_of", "parse"]

#: The groups of an enhanced file that hold what a single slice has at the top of its header.
_GROUPS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameContentSequence",
    "MREchoSequence",
    "MRImageFrameTypeSequence",
    "CTImageFrameTypeSequence",
)
#: How files begin that were written without the preamble: elements of groups 2 and 8, little-endian.
_BARE = tuple(bytes((group, 0, element, 0)) for group in (2, 8) for element in (0, 1, 5, 8, 0x16, 0x18))


def begins_as_dicom(start: bytes) -> bool:
    """Whether the first 132 bytes of a file are those of a DICOM object, with or without preamble."""
    return start[128:132] == b"DICM" or start.startswith(_BARE)


def parse(path: Path, pixels: bool = True) -> Dataset:
    """Read a DICOM file, also one without preamble, as old archives and some networks' dumps are.

    Raises
    ------
    Whatever pydicom raises, `guided_attention.data.integrity.decoding` should stand around it.
    """
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    with path.open("rb") as file:
        start = file.read(132)
    bare = start[128:] != b"DICM" and start.startswith(_BARE)
    data = dcmread(path, stop_before_pixels=not pixels, force=bare)
    if bare and "TransferSyntaxUID" not in data.file_meta:
        implicit, little = data.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return data


def headers_of(data: Dataset) -> list[Dataset]:
    """Return a header for each slice in a file: its own, or of an enhanced file one for each frame.

    Of frames it has the elements of the shared groups and of the frame's own, which come later and count.

    Raises
    ------
    DataError
        If there are several frames and nothing says where each lies, or more or fewer descriptions than frames.
    """
    frames, name = int(data.get("NumberOfFrames") or 1), data.get("SOPClassUID")
    if "PerFrameFunctionalGroupsSequence" not in data:
        if frames > 1:
            kind = "of unknown kind" if name is None else name.name
            raise DataError(
                f"expected one slice, found a multi-frame file ({kind}, {frames} frames) that does not say where each "
                "frame lies; export it as enhanced DICOM or as single slices, or convert it to NIfTI (dcm2niix)"
            )
        return [data]
    own = data.PerFrameFunctionalGroupsSequence
    if len(own) != frames:
        raise DataError(f"expected a description of each of {frames} frames of a multi-frame file, found {len(own)}")
    shared = data.get("SharedFunctionalGroupsSequence") or []
    return [_flat(data, [*shared[:1], frame]) for frame in own]


def _flat(data: Dataset, groups: list[Dataset]) -> Dataset:
    from pydicom import Dataset

    flat = Dataset()
    for name in ("SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "ImageType", "Rows", "Columns", "EchoTime"):
        if name in data:
            flat[name] = data[name]
    for group in groups:
        for name in _GROUPS:
            for element in (group.get(name) or [])[:1]:
                flat.update(element)
    if "EffectiveEchoTime" in flat:
        flat.EchoTime = flat.EffectiveEchoTime
    if "FrameType" in flat:
        flat.ImageType = flat.FrameType
    if "TemporalPositionIndex" in flat:
        flat.TemporalPositionIdentifier = flat.TemporalPositionIndex
    return flat
