"""Which records may stand in one report: those of one data set, preset, size of network and set of splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from guided_attention.errors import DataError
from guided_attention.experiments.run_record import Record

__all__ = ["check_comparable"]

#: Differences that an error names, at most.
_NAMED = 6


def check_comparable(found: Mapping[Path, Record]) -> None:
    """Raise a `DataError` that names the files if records would be mixed that cannot be compared."""
    _demand_one("preset", {path: r.preset for path, r in found.items()}, "Choose one with the argument preset.")
    _demand_one("data set", {path: replace(r.dataset, digests=None) for path, r in found.items()})
    _demand_one("data", {p: dict(r.dataset.digests) for p, r in found.items() if r.dataset.digests is not None})
    _demand_one("settings", {path: {**r.settings, "seed": None} for path, r in found.items()})
    for model in {r.model.name for r in found.values()}:
        _demand_one(
            f"options of {model}", {p: dict(r.model.options) for p, r in found.items() if r.model.name == model}
        )
    for fold in {r.split.fold for r in found.values()}:
        _demand_one(f"split of fold {fold}", {p: r.split for p, r in found.items() if r.split.fold == fold})
        # Records without digests can at least not be of other labels.
        _demand_one(f"reference of fold {fold}", {p: _reference(r) for p, r in found.items() if r.split.fold == fold})
    fold_of: dict[str, tuple[int, Path]] = {}
    for path, record in found.items():
        for subject in record.split.test:
            fold, other = fold_of.setdefault(subject, (record.split.fold, path))
            if fold != record.split.fold:
                raise DataError(
                    f"{other} and {path}: subject {subject!r} is a test subject of folds {fold} and "
                    f"{record.split.fold}; expected folds that test different subjects."
                )


def _reference(record: Record) -> dict[str, int]:
    return {f"{s.subject} {organ.organ}": organ.reference_voxels for s in record.scores for organ in s.organs}


def _demand_one(what: str, values: Mapping[Path, Any], advice: str = "Keep them in different results folders.") -> None:
    first, value = next(iter(values.items()), (None, None))
    for path, other in values.items():
        if other != value:
            difference = f"{value!r} and {other!r}"
            if isinstance(value, dict):
                keys = sorted(k for k in {*value, *other} if value.get(k) != other.get(k))[:_NAMED]
                difference = "; ".join(f"{k}: {value.get(k)!r} and {other.get(k)!r}" for k in keys)
            raise DataError(
                f"{first} and {path}: expected records of one {what} in one report, found {difference}. {advice}"
            )
