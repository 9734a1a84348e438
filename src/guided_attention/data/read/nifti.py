"""NIfTI files to a `Volume` and back (chapter *From scanner to tensor*)."""

from __future__ import annotations

import gzip
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from guided_attention.data.integrity import Findings, decoding, grey_values
from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.data.read.described import describe_labels
from guided_attention.data.read.header import TOLERANCE, apart, check_geometry, copy_geometry
from guided_attention.data.read.names import ENDINGS, nifti_stem, subject_name
from guided_attention.data.read.orientation import (
    default_affine,
    from_radiological,
    oddly_sliced,
    spacing_of,
    to_radiological,
)
from guided_attention.data.volume import Volume
from guided_attention.errors import DataError, SettingsError, require_choice

__all__ = ["inspect_nifti", "read_nifti", "write_nifti"]

#: First bytes of what gzip has written: files of either ending are found with and without them.
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class _File:
    """What one file holds: array (D, H, W), its affine in mm, nibabel's header."""

    array: np.ndarray
    affine: np.ndarray
    header: Any


def read_nifti(
    image_path: str | Path, label_path: str | Path | None = None, label_set: LabelSet | None = None
) -> Volume:
    """Read an image, and its labels if a file is given.

    Parameters
    ----------
    image_path : str or Path
        ``.nii`` or ``.nii.gz``, in capitals or not, three axes in any order and direction, in mm, m or µm.
        ``SUBJECT_image.nii.gz`` and nnU-Net's ``SUBJECT_0000.nii.gz`` name the subject; otherwise the file's name does.
    label_path : str or Path, optional
        Of the same matrix and affine, to a tenth of a voxel; values are ids of ``label_set``, to a twentieth.
    label_set : LabelSet, optional
        What the values mean; default what a ``labels.json`` or ``dataset.json`` with the label file says, or CHAOS's
        classes where there is neither.

    Returns
    -------
    Volume
        Reoriented to superior, posterior, left; voxels are moved, not interpolated. `write_nifti` writes it back to
        the same place in the world.

    Raises
    ------
    DataError
        If a file cannot be read, is cut, holds NaN, other values than classes, does not say where its voxels are, or
        the two do not fit together. The message names both files if both are at fault.

    Warns
    -----
    DataWarning
        If a header is odd, but clear; or slices do not run from foot to head.
    """
    findings = Findings(subject_name(image_path))
    if label_set is None:
        label_set = CHAOS_LABELS if label_path is None else describe_labels(label_path).label_set
    volume = inspect_nifti(image_path, label_path, findings, label_set)
    findings.raise_if_any()
    return volume


def inspect_nifti(
    image_path: str | Path, label_path: str | Path | None, findings: Findings, label_set: LabelSet = CHAOS_LABELS
) -> Volume | None:
    """Read as `read_nifti` does, but note problems in ``findings``; a volume only if there is none."""
    image = _load(Path(image_path), findings)
    label = None if label_path is None else _load(Path(label_path), findings)
    pixels = None
    if image is not None:
        try:
            pixels = grey_values(image.array)
        except DataError as error:
            findings.add(image_path, str(error))
    if label is not None and (wrong := label_set.complaint(label.array)):
        findings.add(label_path, wrong)
    if image is not None and label is not None:
        _check_fit(image, label, label_path, Path(image_path).name, findings)
    if findings:
        return None
    arrays = [pixels] + ([] if label is None else [label_set.to_classes(label.array)])
    (pixels, *masks), affine = to_radiological(arrays, image.affine)
    if odd := oddly_sliced(spacing_of(affine)):
        findings.warn(image_path, odd)
    name = subject_name(image_path)
    return Volume(pixels, masks[0] if masks else None, spacing_of(affine), name, affine, label_set)


def _load(path: Path, findings: Findings) -> _File | None:
    """Return what a file holds, or None after noting why not."""
    if nifti_stem(path) is None:
        findings.add(path, "expected a name that ends in .nii or .nii.gz")
        return None
    try:
        with decoding("NIfTI"):
            content = path.read_bytes()
            # all of it, so that the sum at the very end is checked too
            content = gzip.decompress(content) if content.startswith(_GZIP) else content
            header, array = _parse(content)
            stored = type(header)(content[: header.template_dtype.itemsize], check=False)
        while array.ndim > 3 and array.shape[-1] == 1:
            array = array[..., 0]
        if array.ndim != 3 or array.dtype.kind not in "iuf":
            raise DataError(f"expected real numbers on 3 axes, found {array.dtype} of shape {array.shape}")
        affine, warnings = check_geometry(header, stored["pixdim"][1:4].astype(float), array.shape)
    except DataError as error:
        findings.add(path, str(error))
        return None
    for warning in warnings:
        findings.warn(path, warning)
    return _File(array.T, affine, header)  # NIfTI's axes are (column, row, slice)


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


def _check_fit(image: _File, label: _File, path: str | Path, of: str, findings: Findings) -> None:
    shape = image.array.shape[::-1]
    if image.array.shape != label.array.shape:
        findings.add(path, f"expected the image's shape {shape} ({of}), found {label.array.shape[::-1]}")
        return
    voxels, distance = apart(image.affine, label.affine, shape)
    if voxels > TOLERANCE:
        findings.add(
            path,
            f"expected the affine of {of}, found one that puts a corner {distance:.3g} mm elsewhere "
            f"({voxels:.2g} voxels)",
        )


def _on_the_grid_of(path: Path, array: np.ndarray, affine: np.ndarray, subject: str) -> tuple[np.ndarray, Any]:
    findings = Findings(subject)
    found = _load(path, findings)
    findings.raise_if_any()
    (grid,), turned = to_radiological([found.array], found.affine)
    voxels, distance = apart(turned, affine, array.shape[::-1])
    if grid.shape != array.shape or voxels > TOLERANCE:
        raise SettingsError(
            f"like={str(path)!r} is not the file from which subject {subject!r} was read: it has shape {grid.shape} "
            f"and a corner {distance:.3g} mm elsewhere; the volume has shape {array.shape}."
        )
    return from_radiological(array, found.affine), found.header


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
        Ends in ``.nii`` or ``.nii.gz``; folders are made, an existing file is replaced.
    what : {"auto", "image", "labels"}
        ``"auto"`` writes the labels where there are any, else the image. Labels are written as the ids of the
        volume's label set, uint8 if these fit; images are float32.
    like : str or Path, optional
        The NIfTI file from which the volume was read. The new file then has its order of voxels and all that its
        header says about their place (sform, qform, codes, units): voxel (i, j, k) of one is voxel (i, j, k) of the
        other, for every program. Without it the order is this package's, superior, posterior, left: the same place
        in the world, other indices.

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
    """
    from nibabel.nifti1 import Nifti1Image
    from nibabel.nifti2 import Nifti2Header, Nifti2Image

    path = Path(path)
    require_choice("what", what, ("auto", "image", "labels"))
    if not path.name.endswith(ENDINGS):
        raise SettingsError(f"path={str(path)!r} must end in .nii or .nii.gz.")
    if what == "labels" and volume.labels is None:
        raise SettingsError(f"what='labels': subject {volume.subject!r} has no labels; write its image instead.")
    images = what == "image" or volume.labels is None
    array = volume.image if images else volume.label_set.to_ids(volume.labels)
    affine = default_affine(volume.spacing) if volume.affine is None else volume.affine
    if like is None:
        nifti = Nifti1Image(array.T, affine)
        nifti.header.set_xyzt_units("mm")
        nifti.set_sform(affine, code=1)
        nifti.set_qform(affine, code=1)
        if apart(affine, nifti.get_qform(), array.shape[::-1])[0] > TOLERANCE:  # sheared, which no quaternion can say
            nifti.set_qform(None, code=0)
    else:
        array, its = _on_the_grid_of(Path(like), array, affine, volume.subject)
        header = type(its)()
        copy_geometry(its, header)
        header.set_data_dtype(array.dtype)
        nifti = (Nifti2Image if isinstance(its, Nifti2Header) else Nifti1Image)(array.T, None, header)
    content = nifti.to_bytes()
    if path.name.endswith(".gz"):
        content = gzip.compress(content, compresslevel=5, mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
