"""NRRD and MetaImage files, read and written by SimpleITK (chapter *From scanner to tensor*).

SimpleITK believes a header that lacks something, and gives every image spacing, origin and direction all the same. So
the header, which is text in both formats, is looked at here before: what it does not say is not made up.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from guided_attention.data.integrity import decoding
from guided_attention.data.read.header import check_affine
from guided_attention.data.read.names import format_of
from guided_attention.data.read.stored import Stored, require_axes
from guided_attention.errors import DataError, require_extra

__all__ = ["data_files", "load_itk", "write_itk"]

_READERS = {"NRRD": "NrrdImageIO", "MetaImage": "MetaImageIO"}
#: ITK's world runs to the patient's left, back and head, NIfTI's to right, front and head.
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Of NRRD: the worlds that stand in a patient, and what of a header says where voxels are.
_SPACES = ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior", "lps", "ras", "las")
_UNITS = {"mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "m": 1e3, "cm": 10.0, "um": 1e-3, "µm": 1e-3}
_LONGEST = 65536
_DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")
_SPACINGS = ("ElementSpacing", "ElementSize")
_ORIGINS = ("Offset", "Position", "Origin")
#: What the voxels follow, in a file that holds its header.
_START = {"NRRD": re.compile(rb"\r?\n\r?\n"), "MetaImage": re.compile(rb"ElementDataFile\s*=[^\n]*\n")}


def load_itk(path: Path, channels: int = 1) -> tuple[Stored, list[str]]:
    """Read a file; a detached header (``.nhdr``, ``.mhd``) names its data.

    Parameters
    ----------
    path : Path
    channels : int
        How many channels the file may hold: components of a voxel, or a fourth axis.

    Returns
    -------
    (Stored, list of str)
        And what is odd about the header.

    Raises
    ------
    DataError
        If the file is missing, cut or damaged, or does not say where its voxels are. The message leaves out the path.
    MissingExtraError
        If SimpleITK is not installed.
    """
    require_extra("formats", "SimpleITK")
    import SimpleITK as sitk

    kind = format_of(path)
    with decoding(kind):
        fields = _fields(path)
        unit, warnings = (_check_nrrd if kind == "NRRD" else _check_meta)(fields)
        _check_data(path, fields)
        reader = sitk.ImageFileReader()
        reader.SetImageIO(_READERS[kind])
        reader.SetFileName(str(path))
        try:
            image = reader.Execute()
        except RuntimeError as error:  # its last line says what is wrong, those before only where
            said = str(error).strip().splitlines()[-1].removeprefix("[nrrd] ").removesuffix(" Reason: Success")
            raise DataError(f"cannot be read as {kind}, it is cut or damaged ({said})") from error
        array = sitk.GetArrayFromImage(image)
        if image.GetNumberOfComponentsPerPixel() > 1:
            array = np.moveaxis(array, -1, 0)
        axes = image.GetDimension()
        direction = np.array(image.GetDirection()).reshape(axes, axes)
    array = require_axes(array, channels)
    own = np.eye(4)
    own[:3, :3] = direction[:3, :3] * np.array(image.GetSpacing()[:3])
    own[:3, 3] = image.GetOrigin()[:3]
    affine, odd = check_affine(own, *unit, lost=np.eye(4))
    return Stored(array, _TO_RAS @ affine, kind), warnings + odd


def write_itk(array: np.ndarray, affine: np.ndarray, path: Path, kind: str) -> None:
    """Write an array, compressed.

    Parameters
    ----------
    array : ndarray, (D, H, W) or (C, D, H, W)
    affine : ndarray, (4, 4)
        Maps its indices (w, h, d, 1) to mm in NIfTI's RAS+ world.
    path : Path
        With one of the formats' endings.
    kind : str
        ``"NRRD"`` or ``"MetaImage"``.
    """
    require_extra("formats", "SimpleITK")
    import SimpleITK as sitk

    several = array.ndim == 4
    image = sitk.GetImageFromArray(np.moveaxis(array, 0, -1) if several else array, isVector=several)
    like = _TO_RAS @ affine
    spacing = np.sqrt((like[:3, :3] ** 2).sum(axis=0))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(like[:3, 3].tolist())
    image.SetDirection((like[:3, :3] / spacing).ravel().tolist())
    writer = sitk.ImageFileWriter()
    writer.SetImageIO(_READERS[kind])
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.Execute(image)


def data_files(header: Path) -> set[Path]:
    """Return the files in which a detached header says that its voxels are; none if it holds them itself."""
    try:
        text = _text(header)
    except (OSError, DataError):
        return set()
    names = {path.name: path for path in header.parent.iterdir() if path != header}
    return {path for name, path in names.items() if re.search(rf"(?<![\w.-]){re.escape(name)}\s*$", text, re.MULTILINE)}


def _text(path: Path) -> str:
    """Return the header of a file, without the voxels that may follow it."""
    with path.open("rb") as file:
        content = file.read(_LONGEST)
    if format_of(path) == "NRRD":
        if not content.startswith(b"NRRD"):
            raise DataError("cannot be read as NRRD, it does not begin with that word")
    elif b"ElementDataFile" not in content:
        raise DataError("cannot be read as MetaImage, it has no line ElementDataFile")
    ends = _START[format_of(path)].search(content)
    listed = ends is not None and b"LIST" in ends[0].upper()  # names of files follow
    return content[: None if ends is None or listed else ends.end()].decode("utf-8", "replace")


def _fields(path: Path) -> dict[str, str]:
    lines = [line for line in _text(path).splitlines() if not line.startswith("#")]
    pairs = (re.split(r":=?|=", line, maxsplit=1) for line in lines)
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}


def _check_nrrd(fields: Mapping[str, str]) -> tuple[tuple[str, float], list[str]]:
    """Return the unit with its length in mm, and what is odd."""
    space = fields.get("space", "")
    if space.lower() not in _SPACES or "space directions" not in fields:
        found = f"found {space!r}" if space else "found none"
        raise DataError(
            f"expected a space that runs through a patient ({', '.join(_SPACES[:3])}) and space directions, {found}: "
            "nothing tells the patient's left from the right. Write the file again from the scan that it came from"
        )
    units = set(re.findall(r'"([^"]*)"', fields.get("space units", ""))) or {"mm"}
    if len(units) > 1 or not units <= set(_UNITS):
        raise DataError(f"expected one unit of length for all axes (space units), found {', '.join(sorted(units))}")
    odd = [] if "space origin" in fields else ["has no space origin: the place of the volume in the scanner is lost"]
    return (unit := units.pop(), _UNITS[unit]), odd


def _check_meta(fields: Mapping[str, str]) -> tuple[tuple[str, float], list[str]]:
    for names, what in ((_SPACINGS, "size of a voxel"), (_DIRECTIONS, "direction of the axes")):
        if not any(name in fields for name in names):
            raise DataError(
                f"expected the {what} ({' or '.join(names)}), found none in the header: it would be made up. Write the "
                "file again from the scan that it came from"
            )
    found = any(name in fields for name in _ORIGINS)
    odd = [] if found else [f"has no {_ORIGINS[0]}: the place of the volume in the scanner is lost"]
    return ("mm", 1.0), odd


def _check_data(path: Path, fields: Mapping[str, str]) -> None:
    """Refuse what SimpleITK does not read, or reads and goes on with where it is damaged."""
    encoding = fields.get("encoding", "").lower()
    if encoding in ("bz2", "bzip2"):
        raise DataError("its voxels are packed with bzip2, which SimpleITK cannot unpack; save it with gzip")
    name = fields.get("ElementDataFile", fields.get("data file", fields.get("datafile", "LOCAL")))
    if name.upper().startswith("LIST") or "%" in name:  # one file for each slice
        return
    local = name.upper() == "LOCAL"
    if not local and not (path.parent / name).is_file():
        raise DataError(f"says that its voxels are in {name}, and there is no such file beside it")
    packed = fields.get("CompressedData", "").lower() == "true" or encoding in ("gz", "gzip")
    if not packed or any("skip" in field for field in fields):
        return
    content = (path if local else path.parent / name).read_bytes()
    if local:
        content = content[_START[format_of(path)].search(content).end() :]
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # zlib's or gzip's wrapping
    while content and not inflate.eof:
        inflate.decompress(content, 1 << 24)
        content = inflate.unconsumed_tail
    if not inflate.eof:
        raise DataError(f"cannot be read as {format_of(path)}, its compressed voxels are cut")
