"""A trial of the grid model x fold x seed, and where its run belongs (chapter *Training the network*)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guided_attention.data import CHAOS_LABELS, DataSource, Fold
from guided_attention.data.splits import folds_of
from guided_attention.errors import CheckpointError, SettingsError
from guided_attention.experiments.run_record import DataSet
from guided_attention.files import digest

__all__ = ["Trial", "choose_fold", "describe", "initial_weights", "run_folder"]


@dataclass(frozen=True)
class Trial:
    """One training: which network, on which split, from which random numbers.

    Parameters
    ----------
    model : str
        daf, pam, cam, dual, ms-dual, ms-dual-guided, unet, attention-unet, danet, pan-resnet34 or pan-resnet101.
    fold : int
        0, 1 or 2; of splits of one's own, their place in the file.
    seed : int
        Of the weights, the order of the slices and the augmentation.
    """

    model: str
    fold: int = 0
    seed: int = 0


def run_folder(root: str | Path, dataset: str, trial: Trial, preset: str) -> Path:
    """Return where the run of a trial belongs: ``ROOT/DATASET/MODEL/PRESET-foldK-seedS``."""
    return Path(root) / dataset / trial.model / f"{preset}-fold{trial.fold}-seed{trial.seed}"


def initial_weights(weights: str | Path | None) -> str:
    """Return what a record says a backbone started from: ``random``, or name and digest of a file of weights.

    Raises
    ------
    CheckpointError
        If there is no such file.
    """
    if weights is None:
        return "random"
    try:
        return f"{Path(weights).name} {digest(Path(weights).read_bytes())}"
    except OSError as error:
        raise CheckpointError(f"{weights}: the ImageNet weights cannot be read ({error.strerror}).") from error


def choose_fold(source: DataSource, index: int) -> Fold:
    """Return one fold of a data source, or raise a `SettingsError` that says how many there are."""
    folds = folds_of(source)
    if not 0 <= index < len(folds):
        raise SettingsError(f"fold={index} does not exist; choose 0 to {len(folds) - 1}.")
    return folds[index]


def describe(source: DataSource) -> DataSet:
    """Return what a record says of its data, their digests where the source is verified.

    NIfTI files do not tell their sequence, their folder's name has to.
    """
    digests = {subject: found.digest for subject, found in source.fingerprints.items()} or None
    several = source.channels if len(source.channels) > 1 else None
    stated = " + ".join(source.channels) if source.kind in ("chaos", "phantom") else "not stated"
    classes = None if source.label_set.names == CHAOS_LABELS.names else source.label_set.names
    return DataSet(source.name, stated, source.kind == "phantom", digests, classes, several)
