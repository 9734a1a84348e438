"""Which file of a folder is what: images, labels, and what is not read, each with a reason (chapter 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from guided_attention.data.entries import entries, ignore, images_of_folder, role
from guided_attention.data.integrity import Problem
from guided_attention.data.read.chaos import SEQUENCES
from guided_attention.data.read.dicom_folder import holds_dicom
from guided_attention.data.read.names import channel_of, format_of, is_label, subject_name
from guided_attention.errors import DataError

__all__ = ["EXPECTED", "SubjectFiles", "find_images", "find_pairs", "find_subjects"]

#: What a folder may hold, for errors.
EXPECTED = (
    "expected either CHAOS's layout (Train_Sets/MR/ID/T1DUAL/..., the folder Train_Sets or MR itself), or files "
    "SUBJECT_image.nii.gz with SUBJECT_label.nii.gz (.nrrd, .mha), or folders SUBJECT of DICOM files with "
    "SUBJECT_label.nii.gz, or nnU-Net's folders imagesTr and labelsTr"
)
_NNUNET = ("imagesTr", "labelsTr")


@dataclass(frozen=True)
class SubjectFiles:
    """The files of one subject.

    Parameters
    ----------
    images : tuple of Path
        One for each channel, in their order, or one that holds all: a file, a folder of DICOM files, or a CHAOS
        subject's. Empty for a label without an image.
    label : Path or None
    numbers : tuple of int
        Of the channels, as nnU-Net numbers them (``_0000``); empty where the names have none.
    """

    images: tuple[Path, ...]
    label: Path | None = None
    numbers: tuple[int, ...] = ()

    @property
    def first(self) -> Path:
        """A file of theirs, for messages."""
        return self.images[0] if self.images else self.label

    @property
    def name(self) -> str:
        """What the first is called: the subject."""
        return self.first.resolve().name if self.first.is_dir() else subject_name(self.first)

    @property
    def is_chaos(self) -> bool:
        """Whether they are a CHAOS subject's folder."""
        return _holds_a_scan(self.first)


def find_subjects(path: Path) -> tuple[list[Path], list[Problem]]:
    """Return the subjects' folders of a CHAOS tree, none if ``path`` is no such tree; and what stands beside them.

    ``path`` holds ``Train_Sets``, or is a folder from there down to ``MR``. All folders count if any holds a scan,
    so that a check sees bad ones.
    """
    for root in (path / "Train_Sets" / "MR", path / "MR", path):
        inside = entries(root) if root.is_dir() else []
        folders, ignored = [p for p in inside if p.is_dir()], []
        if any(_holds_a_scan(p) for p in folders):
            for file in inside:
                if not file.is_dir() and file.name != "phantom.json":
                    ignore(ignored, file, "is a file beside the subjects' folders")
            return folders, ignored
    return [], []


def find_pairs(path: Path) -> tuple[dict[str, SubjectFiles], list[Problem]]:
    """Pair images and labels, by ``_image`` and ``_label`` or in nnU-Net's ``imagesTr`` and ``labelsTr``.

    An image is a file of a format that is read, or a folder of DICOM files, which bears its subject's name; its label
    lies beside the folder or in it. ``path`` may be such a folder itself.

    Returns
    -------
    pairs : dict of subject to SubjectFiles
    ignored : list of Problem
        Every other file or folder in those folders (hidden ones apart), with the reason why it is not read. Files in
        a DICOM folder are accounted for when it is read.

    Raises
    ------
    DataError
        If two images, or two labels, are of one subject.
    """
    ignored: list[Problem] = []
    if any((path / part).is_dir() for part in _NNUNET):
        found = [images_of_folder(path / part, ignored) if (path / part).is_dir() else [] for part in _NNUNET]
        images, labels = found
        for other in entries(path):
            if other.name not in _NNUNET:
                ignore(ignored, other, f"stands beside {' and '.join(_NNUNET)}, which alone are looked into")
        return _paired(_channels(images), _by_subject(labels)), ignored
    if _is_dicom_folder(path):
        return {path.resolve().name: SubjectFiles((path,), _label_inside(path))}, ignored
    images, labels = [], []
    for one in images_of_folder(path, ignored):
        if one.is_dir() or role(one) == "image":
            images.append(one)
        elif role(one) == "label":
            labels.append(one)
        else:
            ignore(ignored, one, "is neither called SUBJECT_image nor SUBJECT_label")
    return _paired(_by_subject(images, lambda one: SubjectFiles((one,))), _by_subject(labels)), ignored


def find_images(path: Path, channels: int = 1) -> tuple[list[SubjectFiles], list[Problem]]:
    """Return what a network can be given of a path: the file itself, or the images of a folder; and what is ignored.

    Parameters
    ----------
    path : Path
        A file; a folder of DICOM files, or of such folders; the folder of a CHAOS subject, or a tree of them; a
        folder of files of the formats that are read, whatever their names (labels, ``_label``, are left out); or one
        with nnU-Net's ``imagesTr``.
    channels : int
        Those of the network: where it takes several, ``_0000``, ``_0001`` ... are the channels of one subject. In
        folders that are called as nnU-Net's they always are.

    Returns
    -------
    images : list of SubjectFiles
        By name.
    ignored : list of Problem
        Everything else in the folder, with the reason.

    Raises
    ------
    DataError
        If a folder holds none.
    """
    if not path.is_dir() or _holds_a_scan(path) or _is_dicom_folder(path):
        return [SubjectFiles((path,))], []
    folders, ignored = find_subjects(path)
    found = [SubjectFiles((folder,)) for folder in folders]
    if not found and (path / _NNUNET[0]).is_dir():
        pairs, ignored = find_pairs(path)
        found = [replace(files, label=None) for files in pairs.values() if files.images]
    elif not found:
        images = []
        for one in images_of_folder(path, ignored):
            if one.is_file() and role(one) == "label":
                ignore(ignored, one, "is a label, not an image")
            else:
                images.append(one)
        numbered = path.name.startswith("imagesT") or channels > 1
        found = [*_channels(images).values()] if numbered else [SubjectFiles((one,)) for one in images]
    if not found:
        raise DataError(
            f"{path}: found no images; expected files of NIfTI, NRRD or MetaImage in it, or folders of DICOM files or "
            f"CHAOS subjects.{''.join(f'{chr(10)}  {other}' for other in ignored[:20])}"
        )
    return found, ignored


def _holds_a_scan(folder: Path) -> bool:
    return any((folder / sequence).is_dir() for sequence in SEQUENCES)


def _is_dicom_folder(folder: Path) -> bool:
    """Whether slices lie in a folder itself, or an index says that they lie in those inside; and no volume in files."""
    inside = entries(folder)
    if any(format_of(one) and not is_label(one) for one in inside):
        return False
    return any(one.name.upper() == "DICOMDIR" for one in inside) or holds_dicom(folder, deep=False)


def _label_inside(folder: Path) -> Path | None:
    labels = [one for one in entries(folder) if is_label(one)]
    if len(labels) > 1:
        raise DataError(f"{labels[0]} and {labels[1]}: expected one label file in a folder of DICOM files, found two.")
    return labels[0] if labels else None


def _channels(images: Iterable[Path]) -> dict[str, SubjectFiles]:
    """Gather the channels of each subject: ``_0001`` and further ones belong to the ``_0000`` of the same name."""
    images, numbered = sorted(images), {}
    stems = {channel_of(one)[0] for one in images if channel_of(one)[1] == 0}
    for one in images:
        stem, number = channel_of(one)
        if number is None or stem not in stems:
            stem, number = subject_name(one), None
        numbered.setdefault(stem, []).append((number, one))
    found = {}
    for subject, parts in numbered.items():
        numbers = [number for number, _ in parts]
        if len(set(numbers)) < len(numbers):
            raise DataError(
                f"{parts[0][1]} and {parts[1][1]}: expected one file each, found two of the same subject {subject!r}."
            )
        parts = sorted(parts, key=lambda part: part[0] or 0)
        numbers = tuple(number for number, _ in parts if number is not None)
        found[subject] = SubjectFiles(tuple(one for _, one in parts), numbers=numbers)
    return found


def _paired(images: dict[str, SubjectFiles], labels: dict[str, Path]) -> dict[str, SubjectFiles]:
    found = {}
    for subject in (*images, *(name for name in labels if name not in images)):
        files = images.get(subject, SubjectFiles(()))
        inside = [_label_inside(one) for one in files.images if one.is_dir()]
        found[subject] = replace(files, label=labels.get(subject, next(filter(None, inside), None)))
    return found


def _by_subject(files: Sequence[Path], made: Callable[[Path], object] = lambda one: one) -> dict:
    named: dict[str, Path] = {}
    for path in files:
        name = path.name if path.is_dir() else subject_name(path)
        if name in named:
            raise DataError(
                f"{named[name]} and {path}: expected one file each, found two of the same subject {name!r}."
            )
        named[name] = path
    return {name: made(path) for name, path in named.items()}
