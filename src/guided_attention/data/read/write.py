"""A `Volume` to a file: NIfTI, or the format of the image that it was read from (chapter *From scanner to tensor*)."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

from guided_attention.data.integrity import Findings
from guided_attention.data.read.header import TOLERANCE, apart, copy_geometry
from guided_attention.data.read.itk import write_itk
from guided_attention.data.read.load import load
from guided_attention.data.read.names import format_of
from guided_attention.data.read.orientation import default_affine, from_radiological
from guided_attention.data.read.stored import Stored
from guided_attention.data.volume import Volume
from guided_attention.errors import SettingsError, require_choice

__all__ = ["ending_like", "write_nifti"]


def ending_like(image: Path) -> str:
    """Return the ending of one file in the format of an image: ``.nii.gz``, unless it is NRRD or MetaImage."""
    return {"NRRD": ".nrrd", "MetaImage": ".mha"}.get(format_of(image) or "", ".nii.gz")


def write_nifti(
    volume: Volume,
    path: str | Path,
    what: Literal["auto", "image", "labels"] = "auto",
    *,
    like: str | Path | None = None,
) -> Path:
    """Write a volume's labels or image, whole or not at all.

    Parameters
    ----------
    volume : Volume
        Its affine becomes the file's; without one, a diagonal one is made from the spacing.
    path : str or Path
        Ends in ``.nii`` or ``.nii.gz``, or in ``.nrrd`` or ``.mha``; folders are made, an existing file is replaced.
    what : {"auto", "image", "labels"}
        ``"auto"`` writes the labels where there are any, else the image. Labels are written as the ids of the
        volume's label set, uint8 if these fit; images are float32.
    like : str or Path, optional
        The file of the same format from which the volume was read. The new file then has its order of voxels and all
        that its header says about their place (of NIfTI sform, qform, codes, units): voxel (i, j, k) of one is voxel
        (i, j, k) of the other, for every program. Without it the order is this package's, superior, posterior, left:
        the same place in the world, other indices.

    Returns
    -------
    Path
        ``path``. The same volume gives the same bytes.

    Raises
    ------
    SettingsError
        If the ending is another one, labels are asked for and there are none, or ``like`` is not on the volume's grid.
    DataError
        If ``like`` cannot be read.
    MissingExtraError
        If the format needs SimpleITK, and it is not installed.
    """
    path = Path(path)
    require_choice("what", what, ("auto", "image", "labels"))
    kind = format_of(path)
    if kind is None or path.suffix.lower() in (".nhdr", ".mhd"):
        raise SettingsError(f"path={str(path)!r} must end in .nii or .nii.gz, or in .nrrd or .mha.")
    if what == "labels" and volume.labels is None:
        raise SettingsError(f"what='labels': subject {volume.subject!r} has no labels; write its image instead.")
    images = what == "image" or volume.labels is None
    array = volume.image if images else volume.label_set.to_ids(volume.labels)
    affine, found = default_affine(volume.spacing) if volume.affine is None else volume.affine, None
    if like is not None:
        array, found = _on_the_grid_of(Path(like), array, affine, volume)
        if found.kind != kind:
            raise SettingsError(
                f"path={str(path)!r}: expected the format of like={str(like)!r}, which is {found.kind}."
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        if kind == "NIfTI":
            temporary.write_bytes(_nifti(array, affine, found and found.header, path.suffix.lower() == ".gz"))
        else:
            write_itk(array, affine if found is None else found.affine, temporary, kind)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _nifti(array: np.ndarray, affine: np.ndarray, its: Any, zipped: bool) -> bytes:
    """Return the bytes of a file with the geometry of a header ``its``, or with the affine alone."""
    from nibabel.nifti1 import Nifti1Image
    from nibabel.nifti2 import Nifti2Header, Nifti2Image

    if its is None:
        nifti = Nifti1Image(array.T, affine)
        nifti.header.set_xyzt_units("mm")
        nifti.set_sform(affine, code=1)
        nifti.set_qform(affine, code=1)
        if apart(affine, nifti.get_qform(), array.shape[:-4:-1])[0] > TOLERANCE:  # sheared: no quaternion can say so
            nifti.set_qform(None, code=0)
    else:
        header = type(its)()
        copy_geometry(its, header)
        header.set_data_dtype(array.dtype)
        nifti = (Nifti2Image if isinstance(its, Nifti2Header) else Nifti1Image)(array.T, None, header)
    content = nifti.to_bytes()
    return gzip.compress(content, compresslevel=5, mtime=0) if zipped else content


def _on_the_grid_of(path: Path, array: np.ndarray, affine: np.ndarray, volume: Volume) -> tuple[np.ndarray, Stored]:
    findings = Findings(volume.subject)
    found = load(path, findings, volume.channels)
    findings.raise_if_any()
    (grid, *_), turned = found.turned()
    voxels, distance = apart(turned, affine, grid.shape[::-1])
    if grid.shape != volume.shape or voxels > TOLERANCE:
        raise SettingsError(
            f"like={str(path)!r} is not the file from which subject {volume.subject!r} was read: it has shape "
            f"{grid.shape} and a corner {distance:.3g} mm elsewhere; the volume has shape {volume.shape}."
        )
    planes = [from_radiological(plane, found.affine) for plane in array.reshape(-1, *volume.shape)]
    return np.stack(planes).reshape(*array.shape[:-3], *planes[0].shape), found
