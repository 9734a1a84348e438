"""Volumes in files: NIfTI, NRRD, MetaImage or DICOM to a `Volume` (chapter *From scanner to tensor*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from guided_attention.data.integrity import Findings, grey_values
from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.data.read.described import describe_labels
from guided_attention.data.read.header import TOLERANCE, apart
from guided_attention.data.read.load import load
from guided_attention.data.read.names import subject_name
from guided_attention.data.read.orientation import oddly_sliced, spacing_of
from guided_attention.data.read.stored import Stored
from guided_attention.data.volume import Volume
from guided_attention.errors import DataError

__all__ = ["inspect_nifti", "read_nifti"]


def read_nifti(
    image_path: str | Path, label_path: str | Path | None = None, label_set: LabelSet | None = None
) -> Volume:
    """Read an image, and its labels if a file is given.

    Parameters
    ----------
    image_path : str or Path
        ``.nii`` or ``.nii.gz``, in capitals or not, three axes in any order and direction, in mm, m or µm; or NRRD,
        MetaImage (with the extra ``formats``), or a DICOM folder. ``SUBJECT_image.nii.gz`` and nnU-Net's
        ``SUBJECT_0000.nii.gz`` name the subject; otherwise the file's name does.
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
    image_path: str | Path | Sequence[Path],
    label_path: str | Path | None,
    findings: Findings,
    label_set: LabelSet = CHAOS_LABELS,
    channels: Sequence[str] = (),
    series: str = "",
) -> Volume | None:
    """Read as `read_nifti` does, files of any format, but note problems in ``findings``.

    Parameters
    ----------
    image_path : path or sequence of them
        One for each channel, or one that holds all; a DICOM folder is one.
    label_path : path, optional
    findings : Findings
    label_set : LabelSet
        What the label's values mean.
    channels : sequence of str
        What the data set or the network says of the channels; empty allows one, of whatever name.
    series : str
        Which of a DICOM folder.

    Returns
    -------
    Volume or None
        Only if there is no problem.
    """
    paths = [Path(image_path)] if isinstance(image_path, str | Path) else list(image_path)
    most = max(1, len(channels)) if len(paths) == 1 else 1
    images = [load(path, findings, most, series) for path in paths]
    label = None if label_path is None else load(Path(label_path), findings)
    if label is not None and (wrong := label_set.complaint(label.array)):
        findings.add(label_path, wrong)
    first, pixels = images[0], []
    for path, image in zip(paths, images, strict=True):
        if image is None:
            continue
        try:
            pixels.append(grey_values(image.array))
        except DataError as error:
            findings.add(path, str(error))
        if first is not None and image is not first:
            _check_fit(first, image, path, paths[0].name, findings)
    if first is not None and label is not None:
        _check_fit(first, label, label_path, paths[0].name, findings)
    found = len(images) if first is None or first.array.ndim == 3 else len(first.array)
    if first is not None and channels and found != len(channels):
        how = "each in a file of its own (_0000, _0001 ...), or on a fourth axis"
        findings.add(paths[0], f"expected {len(channels)} channels ({', '.join(channels)}), {how}; found {found}")
    if findings:
        return None
    turned = [replace(image, array=grey).turned() for image, grey in zip(images, pixels, strict=True)]
    planes, affine = [plane for arrays, _ in turned for plane in arrays], turned[0][1]
    labels = None if label is None else replace(label, array=label_set.to_classes(label.array)).turned()[0][0]
    if odd := oddly_sliced(spacing_of(affine)):
        findings.warn(paths[0], odd)
    image = planes[0] if len(planes) == 1 else np.stack(planes)
    return Volume(image, labels, spacing_of(affine), subject_name(paths[0]), affine, label_set, tuple(channels))


def _check_fit(image: Stored, other: Stored, path: str | Path, of: str, findings: Findings) -> None:
    """Programs that write one format keep the order of voxels; between two formats only the place counts."""
    shape, here, found, there = image.shape, image.affine, other.shape, other.affine
    if image.kind != other.kind:
        ((plane, *_), here), ((its, *_), there) = image.turned(), other.turned()
        shape, found = plane.shape[::-1], its.shape[::-1]
    if shape != found:
        findings.add(path, f"expected the image's shape {shape} ({of}), found {found}")
        return
    voxels, distance = apart(here, there, shape)
    if voxels > TOLERANCE:
        findings.add(
            path,
            f"expected the affine of {of}, found one that puts a corner {distance:.3g} mm elsewhere "
            f"({voxels:.2g} voxels)",
        )
