"""Fig. 6 of the paper: the masks of all networks on slices where they disagree (chapter *Looking at the masks*)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from guided_attention.data.read.names import natural_order
from guided_attention.data.source import DataSource
from guided_attention.errors import DataError, SettingsError
from guided_attention.experiments.label_volumes import masks_path, read_masks
from guided_attention.experiments.record import record_path
from guided_attention.experiments.run_record import Record
from guided_attention.experiments.same_data import dataset_difference
from guided_attention.experiments.trial import Trial, run_folder
from guided_attention.paths import RunFolder
from guided_attention.report.names import NAMES
from guided_attention.report.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Masks", "choose_slices", "disagreement", "load_masks", "masks_side_by_side"]

#: Label volumes, uint8 (D, H, W), by network and subject.
Masks = Mapping[str, Mapping[str, np.ndarray]]
#: Chosen slices of one subject are at least this far apart.
_APART = 3


def load_masks(
    results: Results, models: Sequence[str] | None = None, seed: int | None = None, runs: str | Path | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Read the predicted masks of all folds: beside the records, or in the folders of the runs.

    Parameters
    ----------
    results : Results
    models : sequence of str, optional
        Default: all with records.
    seed : int, optional
        Default: the smallest of each network.
    runs : path, optional
        Where the runs lie, ``RUNS/DATASET/MODEL/PRESET-foldK-seedS``. Masks of patients are only there.

    Raises
    ------
    DataError
        If a network has no masks.
    """
    masks: dict[str, dict[str, np.ndarray]] = {}
    for model in results.models if models is None else models:
        records = results.of(model)
        chosen = min(r.seed for r in records) if seed is None else seed
        found: dict[str, np.ndarray] = {}
        for record in (r for r in records if r.seed == chosen):
            found |= read_masks(_masks_file(results, record, runs))
        if not found:
            raise DataError(f"{results.root / results.dataset.name / model}: there is no record of seed {chosen}.")
        masks[model] = found
    return masks


def _masks_file(results: Results, record: Record, runs: str | Path | None) -> Path:
    name, model, fold = record.dataset.name, record.model.name, record.split.fold
    places = [masks_path(record_path(results.root, name, model, fold, record.seed))]
    if runs is not None:
        folder = run_folder(runs, name, Trial(model, fold, record.seed), record.preset)
        places.append(RunFolder(folder).predictions)
    for place in places:
        if place.is_file():
            return place
    raise DataError(
        f"{' and '.join(map(str, places))}: there are no masks of this record. `guided-attention experiment` writes "
        "them into the folder of the run, and beside the record for synthetic data; give the folder of the runs."
    )


def disagreement(masks: Masks, subject: str) -> np.ndarray:
    """Count the pixels of each slice on which not all networks say the same, (D,).

    Raises
    ------
    DataError
        If the networks' masks differ in shape.
    """
    volumes = [by_subject[subject] for by_subject in masks.values()]
    if len({volume.shape for volume in volumes}) > 1:
        raise DataError(f"subject {subject!r}: the masks differ in shape, {sorted({v.shape for v in volumes})}.")
    first = volumes[0]
    return np.count_nonzero(np.any([volume != first for volume in volumes], axis=0), axis=(1, 2))


def choose_slices(masks: Masks, count: int = 4) -> list[tuple[str, int]]:
    """Choose the slices on which the networks disagree most, every subject once before any comes again.

    Parameters
    ----------
    masks : mapping network -> subject -> array (D, H, W)
        From `load_masks`.
    count : int
        How many; the paper shows four.

    Returns
    -------
    list of (subject, slice)
        Those with most disagreement first. Fewer than ``count`` if the volumes have no more slices that are
        3 or more apart.

    Raises
    ------
    DataError
        If no subject was segmented by all networks.
    """
    common = natural_order(set.intersection(*(set(by_subject) for by_subject in masks.values())))
    if not common:
        raise DataError(f"masks: no subject was segmented by all of {', '.join(masks)}.")
    rounds: list[list[tuple[int, str, int]]] = []
    for subject in common:
        score = disagreement(masks, subject)
        taken: list[int] = []
        for index in np.argsort(-score, kind="stable").tolist():
            if len(taken) < count and all(abs(index - other) >= _APART for other in taken):
                if len(taken) == len(rounds):
                    rounds.append([])
                rounds[len(taken)].append((int(score[index]), subject, index))
                taken.append(index)
    chosen = [entry for turn in rounds for entry in sorted(turn, key=lambda e: -e[0])]
    return [(subject, index) for _, subject, index in chosen[:count]]


def masks_side_by_side(
    results: Results,
    source: DataSource,
    slices: Sequence[tuple[str, int]] | None = None,
    count: int = 4,
    models: Sequence[str] | None = None,
    runs: str | Path | None = None,
) -> Figure:
    """Fig. 6: reference and masks of all networks side by side, in radiological orientation.

    Parameters
    ----------
    results : Results
    source : DataSource
        The data set of the records; images and reference come from it.
    slices : sequence of (subject, index), optional
        Which slices; default those of `choose_slices`.
    count : int
        How many, where they are chosen.
    models, runs
        As for `load_masks`.

    Raises
    ------
    DataError
        If ``source`` is another data set, or masks are missing.
    SettingsError
        If a slice does not exist.
    """
    from guided_attention.figures import MaskRow, show_side_by_side

    if different := dataset_difference(results.dataset, source):
        raise DataError(
            f"{source.path}: not the data of the records in {results.root / results.dataset.name}: {different}."
        )
    masks = load_masks(results, models, runs=runs)
    rows = []
    for subject, index in choose_slices(masks, count) if slices is None else slices:
        volume = source.read(subject)
        if not 0 <= index < volume.shape[0]:
            raise SettingsError(f"slices: subject {subject!r} has slices 0 to {volume.shape[0] - 1}, found {index}.")
        found = {}
        for model, by_subject in masks.items():
            if subject not in by_subject:
                raise SettingsError(
                    f"slices: {subject!r} is no test subject of {model}; it has {', '.join(by_subject)}."
                )
            if by_subject[subject].shape != volume.shape:
                raise DataError(
                    f"subject {subject!r}: the masks of {model} have shape {by_subject[subject].shape}, the volume in "
                    f"{source.path} has {volume.shape}; it is not the one that the record was made from."
                )
            found[NAMES[model]] = by_subject[subject][index]
        rows.append(MaskRow(f"{subject}, slice {index}", volume.channel()[index], volume.labels[index], found))
    return show_side_by_side(rows, results.label, label_set=source.label_set)
