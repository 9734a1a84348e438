"""Splits of one's own, from a file, and the folds of a data set (chapter *From scanner to tensor*)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from guided_attention.data.folds import Fold, draw, folds_for, is_chaos, validation_share
from guided_attention.data.patients import dicom_identity, read_groups, same_patient, shared
from guided_attention.data.read.names import natural_order
from guided_attention.data.source import DataSource
from guided_attention.errors import DataError, SettingsError

__all__ = ["folds_of", "patients_of", "read_splits", "with_splits"]

_FORM = (
    'a list of folds, each {"train": [...], "validation": [...], "test": [...]}, or nnU-Net\'s '
    '{"train": [...], "val": [...]}'
)


def with_splits(source: DataSource, splits: str | Path | None, groups: str | Path | None) -> DataSource:
    """Return a data set that is split as two files say, if they are given; see `read_splits` and `read_groups`."""
    if groups is not None:
        source = replace(source, groups=read_groups(groups, source.subjects))
    if splits is not None:
        source = replace(source, splits=read_splits(splits, source.subjects, patients_of(source)))
    return source


def folds_of(source: DataSource) -> tuple[Fold, ...]:
    """Return the folds of a data set: its own, or those of `folds_for` with every patient on one side."""
    return source.splits or folds_for(source.subjects, patients_of(source))


def patients_of(source: DataSource) -> dict[str, str]:
    """Return subject -> patient for the subjects who are not their patient's only scan.

    From the groups that were given, else from DICOM. CHAOS's subjects are 20 patients, whatever their headers hold.
    """
    if source.groups:
        return shared(source.groups)
    if is_chaos(source.subjects):
        return {}
    return same_patient({subject: dicom_identity(source.image_of(subject)) for subject in source.subjects})


def read_splits(
    path: str | Path, subjects: Sequence[str], patients: Mapping[str, str] | None = None
) -> tuple[Fold, ...]:
    """Read who trains, validates and tests.

    Parameters
    ----------
    path : str or Path
        JSON: a list of folds with ``train``, ``validation`` (or ``val``) and ``test``; the same list under ``folds``;
        or nnU-Net's ``splits_final.json``, a list of ``train`` and ``val``. There, and wherever a fold has no
        subjects for validation, the held-out subjects are tested, and a tenth of the patients to train is drawn to
        choose the epoch with: a subject that chose the epoch cannot test it.
    subjects : sequence of str
        Of the data set. Who is in no part of a fold is left out.
    patients : mapping from subject to str, optional
        Whose scan it is.

    Raises
    ------
    DataError
        If the file is not of this form.
    SettingsError
        If a fold names a subject that the data set does not have, or one twice, or has a patient in two parts. The
        message names all of them.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise DataError(f"{path}: expected JSON, {_FORM}; it cannot be parsed ({error}).") from error
    if isinstance(content, dict):
        content = content.get("folds", [content])
    if not isinstance(content, list) or not content:
        raise DataError(f"{path}: expected {_FORM}.")
    return tuple(_fold(f"{path}, fold {i}", i, entry, subjects, patients or {}) for i, entry in enumerate(content))


def _fold(where: str, index: int, entry: Any, subjects: Sequence[str], patients: Mapping[str, str]) -> Fold:
    parts = _parts(where, entry)
    wrong = []
    named = Counter(name for part in parts.values() for name in part)
    if strangers := [name for name in named if name not in subjects]:
        wrong.append(f"the data set has no {', '.join(strangers)}")
    if twice := [name for name, count in named.items() if count > 1]:
        wrong.append(f"more than once: {', '.join(twice)}")
    sides: dict[str, set[str]] = {}
    for part, names in parts.items():
        for name in names:
            sides.setdefault(patients.get(name, ""), set()).add(part)
    for patient in (p for p, found in sides.items() if p and len(found) > 1):
        scans = [name for name in named if patients.get(name) == patient]
        wrong.append(f"patient {patient} is on several sides: {', '.join(scans)}")
    if wrong:
        raise SettingsError(f"{where}: {'; '.join(wrong)}. The data set has {', '.join(subjects)}.")
    if not parts["validation"]:
        drawn = draw(parts["train"], patients=patients)
        count = min(validation_share(len(draw(named, patients=patients))), len(drawn) - 1)
        if count < 1:
            raise SettingsError(f"{where}: expected two patients or more to train, because one of them validates.")
        chosen = {name for scans in drawn[:count] for name in scans}
        parts |= {"validation": [*chosen], "train": [name for name in parts["train"] if name not in chosen]}
    if empty := [part for part in ("train", "test") if not parts[part]]:
        raise SettingsError(f"{where}: nobody is in {' and '.join(empty)}.")
    return Fold(index, *(natural_order(parts[part]) for part in ("train", "validation", "test")), seed=None)


def _parts(where: str, entry: Any) -> dict[str, list[str]]:
    """Return train, validation (perhaps nobody) and test."""
    allowed = {"train", "val", "validation", "test", "index", "seed"}  # the last two stand in our folds.json
    if not isinstance(entry, dict) or not set(entry) <= allowed or {"val", "validation"} <= set(entry):
        found = ", ".join(map(str, entry)) if isinstance(entry, dict) else type(entry).__name__
        raise DataError(f"{where}: expected {_FORM}; found {found}.")
    parts = {name: entry.get(name, []) for name in ("train", "val", "validation", "test")}
    for name, part in parts.items():
        if not isinstance(part, list) or not all(isinstance(subject, (str, int)) for subject in part):
            raise DataError(f"{where}: expected a list of subjects' names under {name!r}.")
        parts[name] = [str(subject) for subject in part]
    if "test" in entry:
        return {"train": parts["train"], "validation": parts["val"] + parts["validation"], "test": parts["test"]}
    if "val" in entry:
        return {"train": parts["train"], "validation": [], "test": parts["val"]}
    raise DataError(f"{where}: nobody is held out to test. Expected {_FORM}.")
