"""Which records may stand in one report: those of one data set, preset, size of network and set of splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from guided_attention.errors import DataError
from guided_attention.experiments.run_record import Record
from guided_attention.training.settings import counted

__all__ = ["check_comparable"]

#: Differences that an error names, at most.
_NAMED = 6


def check_comparable(found: Mapping[Path, Record]) -> None:
    """Raise a `DataError` that names the files if records would be mixed that cannot be compared."""
    agreed: dict[str, tuple[Path, Any]] = {}
    for path, record in found.items():
        for what, value in _facts(record).items():
            first, expected = agreed.setdefault(what, (path, value))
            if value != expected:
                difference = f"{expected!r} and {value!r}"
                if isinstance(value, dict):
                    keys = sorted(k for k in {*value, *expected} if value.get(k) != expected.get(k))[:_NAMED]
                    difference = "; ".join(f"{k}: {expected.get(k)!r} and {value.get(k)!r}" for k in keys)
                advice = (
                    "Choose one with the argument preset" if what == "preset" else "Keep them in two results folders"
                )
                raise DataError(
                    f"{first} and {path}: expected records of one {what} in one report, found {difference}. {advice}."
                )


def _facts(record: Record) -> dict[str, Any]:
    """What records must agree on wherever both have it, by its name."""
    digests, fold = record.dataset.digests, record.split.fold
    return {
        "preset": record.preset,
        "data set": replace(record.dataset, digests=None),
        **({} if digests is None else {"data": dict(digests)}),
        "settings": {**counted(record.settings), "seed": None},
        f"options of {record.model.name}": dict(record.model.options),
        f"split of fold {fold}": record.split,
        # Records without digests can at least not be of other labels.
        f"reference of fold {fold}": {
            f"{score.subject} {organ.organ}": organ.reference_voxels
            for score in record.scores
            for organ in score.organs
        },
        **{f"fold that tests subject {subject!r}": fold for subject in record.split.test},
    }
