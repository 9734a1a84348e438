"""The command that scores label files of any tool: ``guided-attention score``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tyro.conf import Positional

from guided_attention.data import LabelSet, Volume, read_nifti
from guided_attention.data.read.described import describe_labels
from guided_attention.data.read.header import TOLERANCE, apart
from guided_attention.data.read.names import format_of, natural_order, stem_of
from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.scores import NSD_TOLERANCE, evaluate_subject
from guided_attention.evaluation.summary import subject_table, summarise, summary_table
from guided_attention.experiments.record import write_scores
from guided_attention.progress import progress_bar

__all__ = ["find_masks", "match", "score_masks"]

_IMAGES = ("_image", "_0000")
_LABELS = ("_prediction", "_pred", "_mask", "_segmentation", "_seg", "_labels", "_label", "_gt")


def score_masks(
    predictions: Positional[Path],
    references: Positional[Path],
    subjects: tuple[str, ...] = (),
    tolerance: float = NSD_TOLERANCE,
    out: Path | None = None,
    progress: bool = True,
) -> None:
    """Score label files that exist, of any tool, against references: DSC, VS, MSD, NSD and HD95 by organ.

    Every reference needs a prediction, because a subject that is left out would make the mean a better one. A
    labels.json or dataset.json with the files says what their numbers mean (else they are CHAOS's); where both folders
    have one, organs are matched by name. Both files of a subject must have the same matrix in the same place.

    An organ that is in neither is not counted (absent); one that is missed or invented has DSC, VS and NSD 0, and the
    diagonal of the volume for a distance.

    Args:
        predictions: Folder of labels, SUBJECT.nii.gz or SUBJECT_prediction.nii.gz (_pred, _mask, _seg, _label); or a
            file.
        references: Folder of labels named in the same ways (images beside them are passed over); or a file.
        subjects: Score these subjects (all that have a reference, if none is given).
        tolerance: Of NSD: how far from the reference a surface still is right, in mm.
        out: Write all scores to this file, JSON or (.csv) a table.
        progress: Show a progress bar.
    """
    if not tolerance >= 0:
        raise SettingsError(f"tolerance={tolerance} must be 0 or more, in mm.")
    found, wanted = _pair(predictions, references)
    chosen = subjects or natural_order(wanted)
    lacking = [
        f"{folder}: no label file of {', '.join(missing)}; there are those of {', '.join(natural_order(masks))}"
        for folder, masks in ((references, wanted), (predictions, found))
        if (missing := [subject for subject in chosen if subject not in masks])
    ]
    if lacking:
        raise DataError("\n".join([*lacking, "Name the subjects to score with --subjects."]))
    said = {folder: describe_labels(masks[chosen[0]]) for folder, masks in ((predictions, found), (references, wanted))}
    one, other = said.values()
    own, theirs = (side.label_set if side.files else back.label_set for side, back in ((one, other), (other, one)))
    print(f"label values are read as 0 background, {own}")
    if notice := match(predictions, own, references, theirs):
        print(notice)
    scores = []
    with progress_bar(chosen, show=progress, desc="scoring", unit="subject") as bar:
        for subject in bar:
            reference = read_nifti(wanted[subject], wanted[subject], theirs)
            prediction = replace(read_nifti(found[subject], found[subject], own), subject=reference.subject)
            _check_place(prediction, reference, found[subject], wanted[subject])
            scores.append(replace(evaluate_subject(prediction, reference, tolerance=tolerance), subject=subject))
    print(subject_table(scores))
    print(summary_table(summarise(scores)))
    print(f"nsd: at a tolerance of {tolerance:g} mm; each voxel of a surface counts once")
    if ignored := [subject for subject in natural_order(found) if subject not in wanted]:
        print(f"without a reference, not scored: {', '.join(ignored)}")
    if out is not None:
        print(f"scores: {write_scores(scores, out, tolerance=tolerance)}")


def _check_place(prediction: Volume, reference: Volume, path: Path, of: Path) -> None:
    """Raise a `DataError` unless both have one matrix in one place; the order of their axes in the files may differ."""
    voxels, distance = apart(reference.affine, prediction.affine, reference.shape[::-1])
    if prediction.shape != reference.shape or voxels > TOLERANCE:
        raise DataError(
            f"{path}: expected the matrix and place of {of}, which is {reference.shape} (slices, rows, columns) of "
            f"{_mm(reference)} mm; found {prediction.shape} of {_mm(prediction)} mm, with a corner {distance:.3g} mm "
            "elsewhere. A tool that resamples, crops or loses the header wrote it? Let it write the image's own "
            "geometry, or bring it back onto the image's grid."
        )


def _mm(volume: Volume) -> str:
    return " x ".join(f"{side:.3g}" for side in volume.spacing)


def match(one: Path, its: LabelSet, other: Path, theirs: LabelSet) -> str:
    """Say what is scored where a network, or a folder of labels, and its references have other labels.

    Returns
    -------
    str
        Empty where both have the same.

    Raises
    ------
    DataError
        If no organ is in both.
    """
    if its == theirs:
        return ""
    try:
        here, there = its.common(theirs), theirs.common(its)
    except DataError as error:
        raise DataError(f"{one} and {other}: {error}") from error
    lines = [f"{other} has the labels {theirs}; scored, by name: {', '.join(there.organs)}"]
    for folder, organs, known in ((one, its.organs, here), (other, theirs.organs, there)):
        if rest := [organ for organ in organs if organ not in known.organs]:
            lines.append(f"in {folder} alone, not scored: {', '.join(rest)}")
    return "\n".join(lines)


def _pair(predictions: Path, references: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the files of both sides by subject; of two files the names need not agree."""
    found, wanted = (
        {_subject(path): path} if path.is_file() else find_masks(path) for path in (predictions, references)
    )
    for folder, masks in ((references, wanted), (predictions, found)):
        if not masks:
            raise DataError(f"{folder}: expected label files (SUBJECT.nii.gz or SUBJECT_label.nii.gz), found none.")
    if predictions.is_file() and references.is_file():
        return {next(iter(wanted)): predictions}, wanted
    return found, wanted


def find_masks(folder: Path) -> dict[str, Path]:
    """Return the label files of a folder, or of its ``labelsTr``, by subject; files of images are passed over.

    Raises
    ------
    DataError
        If it is no folder, or two files are of one subject.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; expected one of label files.")
    inside = folder / "labelsTr"
    files = [p for p in sorted((inside if inside.is_dir() else folder).iterdir()) if format_of(p) is not None]
    images = [p for p in files if stem_of(p).lower().endswith(_IMAGES)]
    masks: dict[str, Path] = {}
    for path in files:
        if path.name.startswith(".") or path in images or (images and not stem_of(path).lower().endswith(_LABELS)):
            continue  # beside images a label is called so
        subject = _subject(path)
        if subject in masks:
            raise DataError(f"{masks[subject]} and {path}: expected one label file of {subject!r}, found two.")
        masks[subject] = path
    return masks


def _subject(path: Path) -> str:
    name = stem_of(path)
    for ending in _LABELS:
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name
