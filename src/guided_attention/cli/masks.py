"""The command that scores label files of any tool: ``guided-attention score``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tyro.conf import Positional

from guided_attention.data import LabelSet, read_nifti
from guided_attention.data.read.described import describe_labels
from guided_attention.data.source import natural_order
from guided_attention.errors import DataError
from guided_attention.evaluation.scores import evaluate_subject
from guided_attention.evaluation.summary import subject_table, summarise, summary_table
from guided_attention.experiments.record import write_scores
from guided_attention.progress import progress_bar

__all__ = ["find_masks", "match", "score_masks"]

_IMAGES = ("_image", "_0000")
_LABELS = ("_prediction", "_mask", "_seg", "_label")


def score_masks(
    predictions: Positional[Path],
    references: Positional[Path],
    subjects: tuple[str, ...] = (),
    out: Path | None = None,
    progress: bool = True,
) -> None:
    """Score label files that exist, of any tool, against references: DSC, VS, MSD and the CHAOS metrics.

    Every reference needs a prediction, because a subject that is left out would make the mean a better one. A
    labels.json or dataset.json with the files says what their numbers mean (else they are CHAOS's); where both folders
    have one, organs are matched by name.

    Args:
        predictions: Folder of NIfTI labels, SUBJECT.nii.gz or SUBJECT_prediction.nii.gz (_mask, _seg, _label).
        references: Folder of NIfTI labels named in the same ways; images beside them are passed over.
        subjects: Score these subjects (all that have a reference, if none is given).
        out: Write the scores to this JSON file.
        progress: Show a progress bar.
    """
    found, wanted = find_masks(predictions), find_masks(references)
    chosen = subjects or natural_order(wanted)
    for folder, masks in ((references, wanted), (predictions, found)):
        if not masks:
            raise DataError(f"{folder}: expected NIfTI labels (SUBJECT.nii.gz or SUBJECT_label.nii.gz), found none.")
        if missing := [subject for subject in chosen if subject not in masks]:
            raise DataError(
                f"{folder}: no label file of {', '.join(missing)}; there are those of {', '.join(natural_order(masks))}"
                ". Name the subjects to score with --subjects."
            )
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
            prediction = read_nifti(wanted[subject], found[subject], own)  # must lie on the reference's grid
            scores.append(replace(evaluate_subject(prediction, reference), subject=subject))
    print(subject_table(scores))
    print(summary_table(summarise(scores)))
    if ignored := [subject for subject in natural_order(found) if subject not in wanted]:
        print(f"without a reference, not scored: {', '.join(ignored)}")
    if out is not None:
        print(f"scores: {write_scores(scores, out)}")


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


def find_masks(folder: Path) -> dict[str, Path]:
    """Return the label files of a folder, or of its ``labelsTr``, by subject; files of images are passed over.

    Raises
    ------
    DataError
        If it is no folder, or two files are of one subject.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; expected one of NIfTI labels.")
    inside = folder / "labelsTr"
    masks: dict[str, Path] = {}
    for path in sorted((inside if inside.is_dir() else folder).iterdir()):
        name = path.name.lower().removesuffix(".gz").removesuffix(".nii")
        if path.name.startswith(".") or not path.name.lower().endswith((".nii", ".nii.gz")) or name.endswith(_IMAGES):
            continue
        subject = path.name[: len(name)]
        for ending in _LABELS:
            subject = subject.removesuffix(ending)
        if subject in masks:
            raise DataError(f"{masks[subject]} and {path}: expected one label file of {subject!r}, found two.")
        masks[subject] = path
    return masks
