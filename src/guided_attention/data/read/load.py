"""One file, or one folder of slices, of any format that is read (chapter *From scanner to tensor*)."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np

from guided_attention.data.integrity import Findings, decoding
from guided_attention.data.read.dicom_folder import load_dicom
from guided_attention.data.read.dicom_slice import is_dicom
from guided_attention.data.read.header import check_geometry
from guided_attention.data.read.itk import load_itk
from guided_attention.data.read.names import FORMATS, format_of
from guided_attention.data.read.stored import Stored, require_axes
from guided_attention.errors import DataError

__all__ = ["load"]

#: First bytes of what gzip has written: files of either ending are found with and without them.
_GZIP = b"\x1f\x8b"


def load(path: Path, findings: Findings, channels: int = 1, series: str = "") -> Stored | None:
    """Return what a path holds, or None after noting why not.

    Parameters
    ----------
    path : Path
        NIfTI, NRRD or MetaImage; or a DICOM file, or a folder of them.
    findings : Findings
        Gets what is wrong, odd or not read.
    channels : int
        How many channels one file may hold, on a fourth axis.
    series : str
        Which of a DICOM folder, see `guided_attention.data.read.dicom_folder.load_dicom`.

    Raises
    ------
    MissingExtraError
        If the format needs a package that is not installed.
    """
    kind = format_of(path)
    if kind is None and (path.is_dir() or is_dicom(path)):
        return load_dicom(path, findings, series)
    try:
        if kind is None:
            endings = ", ".join(ending for known in FORMATS.values() for ending in known)
            raise DataError(f"expected a name that ends in .nii or .nii.gz, or in another of {endings}; or DICOM")
        stored, warnings = (_load_nifti if kind == "NIfTI" else load_itk)(path, channels)
    except DataError as error:
        findings.add(path, str(error))
        return None
    for warning in warnings:
        findings.warn(path, warning)
    return stored


def _load_nifti(path: Path, channels: int) -> tuple[Stored, list[str]]:
    with decoding("NIfTI"):
        content = path.read_bytes()
        # all of it, so that the sum at the very end is checked too
        content = gzip.decompress(content) if content.startswith(_GZIP) else content
        header, array = _parse(content)
        stored = type(header)(content[: header.template_dtype.itemsize], check=False)
    array = require_axes(array.T, channels)  # NIfTI's axes are (column, row, slice, ...)
    affine, warnings = check_geometry(header, stored["pixdim"][1:4].astype(float), array.shape[:-4:-1])
    return Stored(array, affine, "NIfTI", header), warnings


def _parse(content: bytes) -> tuple[Any, np.ndarray]:
    """Return header and array; nibabel's image would compute an affine before anybody has checked the header."""
    from nibabel.arrayproxy import ArrayProxy
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header
    from nibabel.spatialimages import HeaderDataError

    second = content[:4] in [(540).to_bytes(4, order) for order in ("little", "big")]  # size of the header
    try:
        header = (Nifti2Header if second else Nifti1Header).from_fileobj(io.BytesIO(content))
        return header, np.asanyarray(ArrayProxy(io.BytesIO(content), header))
    except HeaderDataError as error:  # it is all there, and says what no NIfTI header says
        raise DataError(f"cannot be read as NIfTI, its header is wrong ({error})") from error
