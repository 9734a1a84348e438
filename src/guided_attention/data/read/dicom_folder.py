"""A plain folder of DICOM files: its series, and one of them as a stack (chapter *From scanner to tensor*)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from guided_attention.data.integrity import Findings, decoding
from guided_attention.data.read.dicom_frames import parse
from guided_attention.data.read.dicom_series import check_alike, order_slices, stack_affine
from guided_attention.data.read.dicom_slice import DicomSlice, dicom_files, is_dicom, read_slices
from guided_attention.data.read.header import check_affine
from guided_attention.data.read.names import is_label
from guided_attention.data.read.stored import Stored
from guided_attention.errors import DataError

__all__ = ["Series", "holds_dicom", "list_series", "load_dicom"]

#: What a DICOM object that is no picture may be, and what to do with it.
_SEGMENTATION = "convert it to NIfTI labels (dcmqi's segimage2itkimage, or 3D Slicer), because it is not read here"
_LOCALIZER = "LOCALIZER"


@dataclass(frozen=True, eq=False)
class Series:
    """Slices of one series, echo and time.

    Parameters
    ----------
    number : str
        SeriesNumber, with ``.1``, ``.2`` ... where several have it.
    slices : tuple of DicomSlice
        Headers, without pixels.
    told_apart : str
        What tells it from others of its number.
    """

    number: str
    slices: tuple[DicomSlice, ...]
    told_apart: str = ""

    @property
    def description(self) -> str:
        """SeriesDescription."""
        return self.slices[0].description

    @property
    def localizer(self) -> bool:
        """Whether it shows where the other series lie, and nothing else."""
        return all(_LOCALIZER in map(str.upper, one.traits) for one in self.slices)

    def __str__(self) -> str:
        one, count = self.slices[0], len(self.slices)
        more = ", ".join(filter(None, (self.told_apart, "a localizer" if self.localizer else "")))
        return (
            f"{self.number}  {self.description or '(no description)'}  {count} slice{'' if count == 1 else 's'} of "
            f"{one.shape[0]} x {one.shape[1]}{', ' if more else ''}{more}"
        )


def holds_dicom(folder: Path, deep: bool = True) -> bool:
    """Whether a DICOM file lies in a folder, or in one inside if ``deep``."""
    inside = folder.rglob("*") if deep else folder.glob("*")
    return any(path.is_file() and not path.name.startswith(".") and is_dicom(path) for path in inside)


def load_dicom(path: Path, findings: Findings, series: str = "") -> Stored | None:
    """Read a series; of several, the one that is asked for, or the only one that is no localizer.

    Parameters
    ----------
    path : Path
        A folder, with those inside it, or one file of many frames.
    findings : Findings
        Gets what is wrong, and the files that are not read.
    series : str
        Its number as the list of an error has it, its description or its SeriesInstanceUID; empty for the only one.
    """
    before = len(findings.problems)
    found = list_series(path, findings)
    if len(findings.problems) > before:
        return None
    try:
        chosen = _choose(found, series)
    except DataError as error:
        findings.add(path, str(error))
        return None
    for other in found:
        if other is not chosen:
            names = sorted({one.path.name for one in other.slices})
            findings.ignore(path, f"series {other} is not read ({names[0]}{f' to {names[-1]}' * (len(names) > 1)})")
    wanted, slices = {(one.path, one.frame) for one in chosen.slices}, []
    for file in dict.fromkeys(one.path for one in chosen.slices):
        try:
            slices += [one for one in read_slices(file) if (one.path, one.frame) in wanted]
        except DataError as error:
            findings.add(file, str(error))
    check_alike(slices, findings)
    ordered = order_slices(slices, path, findings)
    if len(findings.problems) > before:
        return None
    affine, _ = check_affine(stack_affine(ordered), "mm", 1.0)
    return Stored(np.stack([one.pixels for one in ordered]), affine, "DICOM")


def list_series(path: Path, findings: Findings) -> list[Series]:
    """Return what is in a folder, in the order of the numbers; only headers are read.

    Parameters
    ----------
    path : Path
        As for `load_dicom`.
    findings : Findings
        Gets files that cannot be read, and those that are no pictures of a place.
    """
    files, others = dicom_files(path, deep=True) if path.is_dir() else ([path], [])
    for other in others:
        if not is_label(other):
            findings.ignore(other, "is no DICOM file: it neither ends in .dcm nor begins as one does, or is an index")
    by_uid: dict[str, list[DicomSlice]] = {}
    for file in files:
        try:
            if reason := _no_picture(file):
                findings.ignore(file, reason)
                continue
            for one in read_slices(file, pixels=False):
                by_uid.setdefault(one.series, []).append(one)
        except DataError as error:
            findings.add(file, str(error))
    parts = [part for slices in by_uid.values() for part in _parts(slices)]
    parts.sort(key=lambda part: (_order(part[0][0].number), part[1]))
    times, seen, found = Counter(part[0].number or "?" for part, _ in parts), Counter(), []
    for slices, told_apart in parts:
        number = slices[0].number or "?"
        seen[number] += 1
        found.append(Series(f"{number}.{seen[number]}" if times[number] > 1 else number, tuple(slices), told_apart))
    return found


def _choose(found: Sequence[Series], wanted: str) -> Series:
    listed = "".join(f"\n      {one}" for one in found)
    if wanted:
        by_number = [one for one in found if one.number == wanted.strip()]
        by_words = [
            one for one in found if wanted.strip().casefold() in (one.description.casefold(), one.slices[0].series)
        ]
        fitting = by_number or by_words
        if len(fitting) != 1:
            some = "several" if fitting else "none"
            raise DataError(f"expected one series {wanted!r}, found {some} of that number or description:{listed}")
        return fitting[0]
    if not found:
        raise DataError("expected DICOM slices, found none")
    candidates = [one for one in found if not one.localizer]
    if len(candidates) != 1:
        raise DataError(
            f"expected one series of DICOM slices, found {len(found)}; choose one by its number or description "
            f"(--series):{listed}"
        )
    return candidates[0]


def _no_picture(path: Path) -> str:
    """Say what a DICOM object is that holds no slice of a patient; nothing for one that does."""
    with decoding("DICOM"):
        data = parse(path, pixels=False)
        kind = data.get("SOPClassUID", data.file_meta.get("MediaStorageSOPClassUID"))
        name = "of unknown kind" if kind is None else kind.name
        if data.get("Modality") == "SEG" or name == "Segmentation Storage":
            return f"is a DICOM segmentation (SEG): {_SEGMENTATION}"
        if data.get("Modality") == "RTSTRUCT":
            return "is a set of contours (RT Structure Set): convert it to NIfTI labels, because it is not read here"
        if "Rows" not in data and kind is not None:
            return f"is a DICOM object without pixels ({name})"
        if "Secondary Capture" in name and "ImagePositionPatient" not in data and "NumberOfFrames" not in data:
            return f"is a picture without a place in the patient ({name})"
    return ""


def _parts(slices: list[DicomSlice]) -> list[tuple[list[DicomSlice], str]]:
    """Split a series in which several pictures show one place, by whatever tells them apart."""
    places = Counter((*one.position.round(2), *one.axes.round(3).ravel()) for one in slices)
    if max(places.values()) == 1:
        return [(slices, "")]
    told = [
        ("echo {} ms", [one.echo_time for one in slices]),
        ("type {}", ["\\".join(one.traits[:-1]) for one in slices]),
        ("time {}", [one.traits[-1] for one in slices]),
        ("matrix {}", [one.shape for one in slices]),
    ]
    told = [(words, values) for words, values in told if len(set(values)) > 1]
    groups: dict[str, list[DicomSlice]] = {}
    for index, one in enumerate(slices):
        key = ", ".join(words.format(values[index]) for words, values in told)
        groups.setdefault(key, []).append(one)
    return [(group, key) for key, group in groups.items()]


def _order(number: str) -> tuple[int, str]:
    return (int(number), "") if number.isdecimal() else (-1, number)
