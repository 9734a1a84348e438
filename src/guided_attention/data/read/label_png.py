"""CHAOS's label pictures: 8-bit greys that stand for organs (chapter *From scanner to tensor*)."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from guided_attention.data.integrity import Findings, decoding
from guided_attention.data.volume import CLASSES
from guided_attention.errors import DataError

__all__ = ["GREY_RANGES", "label_files", "read_label", "read_labels"]

#: First and last grey of each organ. Only 0 is background; any other grey is an error, not background.
GREY_RANGES: Mapping[str, tuple[int, int]] = {
    "liver": (55, 70),
    "kidney_right": (110, 135),
    "kidney_left": (175, 200),
    "spleen": (240, 255),
}
_UNKNOWN = 255
_END = b"IEND\xaeB`\x82"


def _class_of_grey() -> np.ndarray:
    table = np.full(256, _UNKNOWN, np.uint8)
    table[0] = 0
    for organ, (first, last) in GREY_RANGES.items():
        table[first : last + 1] = CLASSES.index(organ)
    return table


_CLASS_OF_GREY = _class_of_grey()


def label_files(folder: Path) -> list[Path]:
    """Return the label pictures of a folder by name; hidden files do not count."""
    return sorted(p for p in folder.glob("*") if p.suffix.lower() == ".png" and not p.name.startswith("."))


def read_label(path: Path) -> np.ndarray:
    """Read one label picture.

    Parameters
    ----------
    path : Path
        8-bit grey PNG.

    Returns
    -------
    ndarray, uint8, (H, W)
        Index into `CLASSES`.

    Raises
    ------
    DataError
        If it is no such PNG, is cut, or holds a grey outside `GREY_RANGES`. The message does not repeat the path.
    """
    from PIL import Image

    with decoding("PNG"):
        content = path.read_bytes()
        with Image.open(BytesIO(content)) as picture:
            picture.verify()  # checks the sums of all parts, which decoding alone does not
        with Image.open(BytesIO(content)) as picture:
            kind, mode, grey = picture.format, picture.mode, np.asarray(picture)
        if kind == "PNG" and _END not in content:
            raise DataError("cannot be read as PNG, its end is missing")
    if (kind, mode) != ("PNG", "L"):
        raise DataError(f"expected an 8-bit grey PNG, found {kind} of mode {mode}")
    labels = _CLASS_OF_GREY[grey]
    if (labels == _UNKNOWN).any():
        found = np.unique(grey[labels == _UNKNOWN]).tolist()
        ranges = ", ".join(f"{organ} {first}-{last}" for organ, (first, last) in GREY_RANGES.items())
        raise DataError(f"expected greys of 0, {ranges}; found {', '.join(map(str, found))} as well")
    return labels


def read_labels(
    folder: Path, images: Mapping[str, tuple[int, int] | None], findings: Findings
) -> dict[str, np.ndarray]:
    """Read the label of every image; note labels without image, images without label, and wrong shapes.

    Parameters
    ----------
    folder : Path
        Of the pictures.
    images : mapping of str to (H, W) or None
        File stem of each image, and its matrix (None where the image could not be read).
    findings : Findings
        Gets the problems.

    Returns
    -------
    dict of str to ndarray, uint8, (H, W)
        By file stem. Stems pair label and image: the order of names need not be that of positions.
    """
    labels, pictures = {}, label_files(folder)
    for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p not in pictures):
        findings.ignore(path, "is no label picture: its name does not end in .png")
    for path in pictures:
        if path.stem not in images:
            findings.add(path, "is a label without an image: no DICOM file has this name")
        try:
            label = read_label(path)
        except DataError as error:
            findings.add(path, str(error))
            continue
        shape = images.get(path.stem)
        if shape is not None and label.shape != shape:
            findings.add(
                path, f"expected {shape[0]} x {shape[1]} pixels as its image, found {label.shape[0]} x {label.shape[1]}"
            )
        labels[path.stem] = label
    names = {path.stem for path in pictures}
    for stem in images:
        if stem not in names:
            findings.add(folder / f"{stem}.png", "is missing: there is an image of this name without a label")
    return labels
