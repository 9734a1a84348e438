"""The entries of one folder: which are images of a format that is read, and why the others are not (chapter 1)."""

from __future__ import annotations

from pathlib import Path

from guided_attention.data.integrity import Problem
from guided_attention.data.read.dicom_folder import holds_dicom
from guided_attention.data.read.dicom_slice import is_dicom
from guided_attention.data.read.itk import data_files
from guided_attention.data.read.names import format_of, stem_of

__all__ = ["entries", "ignore", "images_of_folder", "role"]

_OTHERS = {
    "Analyze, or NIfTI in two files": (".img", ".hdr", ".img.gz"),
    "FreeSurfer's format": (".mgz", ".mgh"),
    "MINC": (".mnc",),
    "TIFF": (".tif", ".tiff"),
    "a NumPy array": (".npy", ".npz"),
    "a MATLAB file": (".mat",),
    "an archive": (".zip", ".tar", ".tgz", ".tar.gz", ".7z"),
    "a packed file": (".nrrd.gz", ".mha.gz", ".nii.bz2", ".nii.zip", ".dcm.gz"),
    "data without their header (.nhdr or .mhd)": (".raw", ".zraw", ".raw.gz"),
}
_TEXTS = (".json", ".txt", ".md", ".csv", ".tsv", ".xlsx", ".pdf", ".html", ".xml", ".yaml", ".yml", ".log", ".png")


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder, by name; hidden things do not count."""
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))


def ignore(ignored: list[Problem], path: Path, reason: str) -> None:
    """Note why a file is not read."""
    ignored.append(Problem("", path, reason))


def role(path: Path) -> str | None:
    """Return ``"image"`` or ``"label"`` if a file's name ends in one of them, before its format."""
    return next((r for r in ("image", "label") if stem_of(path).lower().endswith(f"_{r}")), None)


def images_of_folder(folder: Path, ignored: list[Problem]) -> list[Path]:
    """Return the volumes of a folder, in files or in folders of DICOM files; note why each other entry is none."""
    volumes, others = [], []
    for path in entries(folder):
        if format_of(path) is not None and path.is_file():
            volumes.append(path)
        elif path.is_dir() and holds_dicom(path):
            volumes.append(path)
        else:
            others.append(path)
    headers = [path for path in volumes if path.suffix.lower() in (".nhdr", ".mhd")]
    belong = {data for header in headers for data in data_files(header)}  # they are read through their headers
    for path in others:
        if path not in belong:
            ignore(ignored, path, _why_not(path))
    return volumes


def _why_not(path: Path) -> str:
    name = path.name.lower()
    if path.is_dir():
        return "is a folder without DICOM files; only the files beside it are read"
    if name.endswith(_TEXTS):
        return "holds no volume"
    for known, endings in _OTHERS.items():
        if name.endswith(endings):
            return f"is {known}, which is not read here; convert or unpack it to .nii.gz"
    if is_dicom(path):
        return "is a DICOM file beside volumes; put the slices of each subject into a folder of its own"
    return "is not read: its name ends in neither .nii nor .nii.gz, nor in .nrrd, .nhdr, .mha or .mhd"
