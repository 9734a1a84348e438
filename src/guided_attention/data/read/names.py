"""What a file's name says: that it holds a volume, in which format, and whose (chapter *From scanner to tensor*)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["DICOM", "FORMATS", "channel_of", "format_of", "is_label", "natural_order", "stem_of", "subject_name"]

#: Endings of the formats that are read; the longer ones first.
FORMATS = {
    "NIfTI": (".nii.gz", ".nii"),
    "NRRD": (".seg.nrrd", ".nrrd", ".nhdr"),
    "MetaImage": (".mha", ".mhd"),
}
#: Endings of DICOM files; many have none.
DICOM = (".dcm", ".ima", ".dicom")
_CHANNEL = re.compile(r"(.+)_(\d{4})")


def format_of(path: str | Path) -> str | None:
    """Return ``"NIfTI"``, ``"NRRD"`` or ``"MetaImage"`` by a file's ending, in capitals or not; None for any other."""
    name = Path(path).name.lower()
    return next((known for known, endings in FORMATS.items() if name.endswith(endings)), None)


def stem_of(path: str | Path) -> str:
    """Return the name of a file without the ending of a format that is read, or of a folder as it is."""
    name = Path(path).name
    endings = (*(ending for known in FORMATS.values() for ending in known), *DICOM)
    return next((name[: -len(ending)] for ending in endings if name.lower().endswith(ending)), name)


def channel_of(path: str | Path) -> tuple[str, int | None]:
    """Return a name as nnU-Net splits it, ``("case", 1)`` of ``case_0001.nii.gz``; None where it has no number."""
    found = _CHANNEL.fullmatch(stem_of(path))
    return (found[1], int(found[2])) if found else (stem_of(path), None)


def is_label(path: str | Path) -> bool:
    """Whether a file in a folder of slices is the label of all: ``SUBJECT_label.nii.gz``, ``label.nrrd``."""
    return format_of(path) is not None and stem_of(path).lower().endswith("label")


def subject_name(path: str | Path) -> str:
    """Return the subject that a file name stands for: without ending, ``_image``, ``_label`` or ``_0000``."""
    name = stem_of(path)
    for ending in ("_image", "_label", "_0000"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name


def natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort names so that numbers in them count as numbers: "2" before "10"."""
    return tuple(sorted(names, key=lambda name: [(int(p), "") if p.isdigit() else (-1, p) for p in _parts(name)]))


def _parts(name: str) -> list[str]:
    return re.findall(r"[0-9]+|[^0-9]+", name)
