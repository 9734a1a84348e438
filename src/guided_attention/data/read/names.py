"""What the name of a NIfTI file says: that it is one, and whose (chapter *From scanner to tensor*)."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ENDINGS", "format_of", "nifti_stem", "stem_of", "subject_name"]

ENDINGS = (".nii.gz", ".nii")


def subject_name(path: str | Path) -> str:
    """Return the subject that a file name stands for: without ending, ``_image``, ``_label`` or ``_0000``."""
    name = nifti_stem(path) or Path(path).name
    for ending in ("_image", "_label", "_0000"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name


def nifti_stem(path: str | Path) -> str | None:
    """Return a file's name without ``.nii`` or ``.nii.gz``, in capitals or not; None if it ends in neither."""
    name = Path(path).name
    return next((name[: -len(ending)] for ending in ENDINGS if name.lower().endswith(ending)), None)


def format_of(path: str | Path) -> str | None:
    """Return ``"NIfTI"`` by a file's ending, in capitals or not; None for any other."""
    return None if nifti_stem(path) is None else "NIfTI"


def stem_of(path: str | Path) -> str:
    """Return the name of a file without the ending of a format that is read."""
    return nifti_stem(path) or Path(path).name
