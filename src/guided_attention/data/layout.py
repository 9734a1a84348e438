"""Which file of a folder is what: images, labels, and what is not read, each with a reason (chapter 1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from guided_attention.data.integrity import Problem
from guided_attention.data.read.chaos import SEQUENCES
from guided_attention.data.read.names import nifti_stem, subject_name
from guided_attention.errors import DataError

__all__ = ["find_images", "find_pairs", "find_subjects"]

_NNUNET = ("imagesTr", "labelsTr")
_CHANNEL = re.compile(r"(.+)_(\d{4})")
_FORMATS = {
    "MetaImage": (".mha", ".mhd"),
    "NRRD": (".nrrd", ".nhdr"),
    "Analyze, or NIfTI in two files": (".img", ".hdr", ".img.gz"),
    "FreeSurfer's format": (".mgz", ".mgh"),
    "MINC": (".mnc",),
    "DICOM": (".dcm", ".ima", ".dicom"),
    "TIFF": (".tif", ".tiff"),
    "a NumPy array": (".npy", ".npz"),
    "a MATLAB file": (".mat",),
    "an archive": (".zip", ".tar", ".tgz", ".tar.gz", ".7z"),
}
_TEXTS = (".json", ".txt", ".md", ".csv", ".tsv", ".xlsx", ".pdf", ".html", ".xml", ".yaml", ".yml", ".log", ".png")


def find_subjects(path: Path) -> tuple[list[Path], list[Problem]]:
    """Return the subjects' folders of a CHAOS tree, none if ``path`` is no such tree; and what stands beside them.

    ``path`` holds ``Train_Sets``, or is a folder from there down to ``MR``. All folders count if any holds a scan,
    so that a check sees bad ones.
    """
    for root in (path / "Train_Sets" / "MR", path / "MR", path):
        entries = _entries(root) if root.is_dir() else []
        folders, ignored = [p for p in entries if p.is_dir()], []
        if any(_holds_a_scan(p) for p in folders):
            for file in entries:
                if not file.is_dir() and file.name != "phantom.json":
                    _ignore(ignored, file, "is a file beside the subjects' folders")
            return folders, ignored
    return [], []


def find_pairs(path: Path) -> tuple[dict[str, tuple[Path | None, Path | None]], list[Problem]]:
    """Pair the NIfTI files of a folder, by ``_image`` and ``_label`` or in nnU-Net's ``imagesTr`` and ``labelsTr``.

    Returns
    -------
    pairs : dict of subject to (image, label)
        One of the two is None where there is none.
    ignored : list of Problem
        Every other file or folder in those folders (hidden ones apart), with the reason why it is not read.

    Raises
    ------
    DataError
        If two images, or two labels, are of one subject.
    """
    ignored: list[Problem] = []
    if any((path / part).is_dir() for part in _NNUNET):
        images, labels = (_volumes(path / part, ignored) if (path / part).is_dir() else [] for part in _NNUNET)
        images = _first_channels(images, ignored)
        for other in _entries(path):
            if other.name not in _NNUNET:
                _ignore(ignored, other, f"stands beside {' and '.join(_NNUNET)}, which alone are looked into")
    else:
        volumes, by_role = _volumes(path, ignored), {"image": [], "label": []}
        for volume in volumes:
            role = _role(volume)
            if role:
                by_role[role].append(volume)
            else:
                _ignore(ignored, volume, "is neither called SUBJECT_image nor SUBJECT_label")
        images, labels = by_role.values()
    image_of, label_of = _by_subject(images), _by_subject(labels)
    return {name: (image_of.get(name), label_of.get(name)) for name in {**image_of, **label_of}}, ignored


def find_images(path: Path) -> tuple[list[Path], list[Problem]]:
    """Return what a network can be given of a path: the file itself, or the images of a folder; and what is ignored.

    Parameters
    ----------
    path : Path
        A file; the folder of a CHAOS subject, or a tree of them; a folder of NIfTI files, whatever their names
        (labels, ``_label``, are left out); or one with nnU-Net's ``imagesTr``.

    Returns
    -------
    images : list of Path
        NIfTI files and subjects' folders, by name.
    ignored : list of Problem
        Everything else in the folder, with the reason.

    Raises
    ------
    DataError
        If a folder holds none.
    """
    if not path.is_dir() or _holds_a_scan(path):
        return [path], []
    images, ignored = find_subjects(path)
    if not images and (path / _NNUNET[0]).is_dir():
        pairs, ignored = find_pairs(path)
        images = [image for image, _ in pairs.values() if image is not None]
    elif not images:
        for volume in _volumes(path, ignored):
            if _role(volume) == "label":
                _ignore(ignored, volume, "is a label, not an image")
            else:
                images.append(volume)
        if path.name.startswith("imagesT"):
            images = _first_channels(images, ignored)
    if not images:
        raise DataError(
            f"{path}: found no images; expected NIfTI files (.nii, .nii.gz) in it, or folders of CHAOS subjects."
            + "".join(f"\n  {found}" for found in ignored[:20])
        )
    return images, ignored


def _holds_a_scan(folder: Path) -> bool:
    return any((folder / sequence).is_dir() for sequence in SEQUENCES)


def _entries(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def _volumes(folder: Path, ignored: list[Problem]) -> list[Path]:
    """Return the NIfTI files of a folder; note why each other entry is none."""
    volumes = []
    for path in _entries(folder):
        if path.is_dir():
            _ignore(ignored, path, "is a folder; only the files beside it are read")
        elif nifti_stem(path) is not None:
            volumes.append(path)
        else:
            _ignore(ignored, path, _why_not(path))
    return volumes


def _why_not(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(_TEXTS):
        return "holds no volume"
    for known, endings in _FORMATS.items():
        if name.endswith(endings):
            return f"is {known}, which is not read here; convert it to .nii.gz"
    return "is not read: its name ends in neither .nii nor .nii.gz"


def _role(path: Path) -> str | None:
    return next((r for r in ("image", "label") if (nifti_stem(path) or "").lower().endswith(f"_{r}")), None)


def _first_channels(images: Iterable[Path], ignored: list[Problem]) -> list[Path]:
    """Leave out nnU-Net's channels after the first (``_0001`` ...), where the first is there."""
    images = list(images)
    stems, first = {nifti_stem(p) for p in images}, []
    for path in images:
        found = _CHANNEL.fullmatch(nifti_stem(path) or "")
        if found and found[2] != "0000" and f"{found[1]}_0000" in stems:
            _ignore(ignored, path, f"is channel {int(found[2])} of {found[1]}; only channel 0 (_0000) is read")
        else:
            first.append(path)
    return first


def _ignore(ignored: list[Problem], path: Path, reason: str) -> None:
    ignored.append(Problem("", path, reason))


def _by_subject(files: Iterable[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in files:
        name = subject_name(path)
        if name in named:
            raise DataError(
                f"{named[name]} and {path}: expected one file each, found two of the same subject {name!r}."
            )
        named[name] = path
    return named
