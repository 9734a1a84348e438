"""The command line's part for data sets: ``guided-attention data check | phantom | fetch | folds``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from guided_attention.data.integrity import IntegrityReport, Problem
from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.errors import DataError

if TYPE_CHECKING:
    from guided_attention.data import DataSource

__all__ = ["DATA_COMMANDS", "Phase", "SequenceName", "check_as_json", "open_data"]

SequenceName = Literal["T1DUAL", "T2SPIR"]
Phase = Literal["in", "out", "both"]


def open_data(data: str, sequence: SequenceName, phase: Phase, series: str = "") -> DataSource:
    """Open a folder, or the synthetic set (made on first use) for the word phantom."""
    from guided_attention.data import open_source, phantom_folder, write_phantom

    if data != "phantom":
        return open_source(data, sequence, phase, series)
    root = phantom_folder()
    if not root.exists():
        print(f"making the small synthetic data set in {root}", flush=True)
        write_phantom(root, preset="small")
    return open_source(root, sequence, phase)


def data_check(
    path: Positional[str],
    sequence: SequenceName = "T1DUAL",
    phase: Phase = "in",
    series: str = "",
    json: bool = False,
) -> None:
    """Read every file of a data set and report everything that is wrong with it, odd, or not read.

    Warnings and ignored files leave the status at 0; errors do not.

    Args:
        path: A CHAOS tree; a folder of NIfTI, NRRD or MetaImage files, or of DICOM folders; or the word phantom.
        sequence: Sequence of a CHAOS tree.
        phase: In-phase or out-of-phase images of T1-DUAL, or both.
        series: Number or description of the series to read where DICOM folders hold several.
        json: Print JSON for programs instead, whatever is wrong; the status is 0, or 1 if there are errors.
    """
    if json:
        _print_json(path, sequence, phase, series)
        return
    source = open_data(path, sequence, phase, series)
    report = source.check()
    report.raise_if_bad()
    print(report)
    print(f"labels: 0 background, {source.label_set} ({source.described or 'CHAOS; a labels.json would name others'})")


def _print_json(path: str, sequence: SequenceName, phase: Phase, series: str) -> None:
    try:
        with redirect_stdout(sys.stderr):  # what is made on the way is no part of the JSON
            source = open_data(path, sequence, phase, series)
        found = check_as_json(source.check(), source.label_set)
    except DataError as error:  # no data set at all
        found = check_as_json(IntegrityReport((Problem("", Path(path), str(error)),), ()))
    print(dumps(found, indent=1))
    if not found["ok"]:
        raise SystemExit(1)


def check_as_json(report: IntegrityReport, label_set: LabelSet = CHAOS_LABELS) -> dict[str, Any]:
    """Return a report in plain JSON types, under keys that stay; the documentation lists them (*How to use*).

    Parameters
    ----------
    report : IntegrityReport
        From `guided_attention.data.DataSource.check`.
    label_set : LabelSet
        Of the data set.
    """
    names = label_set.names

    def told(problems: Iterable[Problem]) -> list[dict[str, str]]:
        return [{"subject": p.subject, "path": str(p.path), "message": p.message} for p in problems]

    subjects = {}
    for subject, of in report.portraits.items():
        found = report.fingerprints[subject]
        subjects[subject] = {
            "digest": found.digest,
            "image_digest": of.image,
            "shape": list(found.shape),
            "spacing_mm": list(of.spacing),
            "grey": dict(zip(("minimum", "median", "percentile_99", "maximum"), of.grey, strict=True)),
            "label_voxels": dict(zip(names, (*found.voxels, *[0] * len(names)), strict=False))
            if found.voxels
            else None,
        }
    return {
        "version": 1,
        "ok": report.ok,
        "errors": told(report.problems),
        "warnings": told(report.warnings),
        "ignored": told(report.ignored),
        "subjects": subjects,
    }


def data_phantom(
    out: Path | None = None,
    preset: Literal["full", "small", "tiny"] = "full",
    subjects: int | None = None,
    seed: int = 0,
) -> None:
    """Write the synthetic abdomen in CHAOS's own layout.

    Args:
        out: Where; default data/phantom.
        preset: full (20 subjects), small or tiny.
        subjects: Another number of subjects than the preset's.
        seed: Of the anatomy and the noise.
    """
    from guided_attention.data import phantom_folder, write_phantom

    root = out or phantom_folder()
    print(write_phantom(root, subjects=subjects, seed=seed, preset=preset))


def data_fetch(out: Path | None = None, keep_archive: bool = False) -> None:
    """Download CHAOS's training sets (890 MB, CC BY-NC-SA 4.0), verify and unpack them.

    Args:
        out: Where; default data/chaos.
        keep_archive: Keep the zip file after unpacking.
    """
    from guided_attention.data import fetch_chaos

    print(fetch_chaos(out, keep_archive=keep_archive))


def data_folds(
    path: Positional[str] = "phantom",
    sequence: SequenceName = "T1DUAL",
    splits: Path | None = None,
    groups: Path | None = None,
) -> None:
    """Print who trains, validates and tests in each fold, and which scans are of one patient.

    Args:
        path: A CHAOS tree, a folder of NIfTI files, or the word phantom.
        sequence: Sequence of a CHAOS tree.
        splits: JSON file that says who trains, validates and tests: a list of folds, or nnU-Net's splits_final.json.
        groups: Table (CSV) or JSON that says whose scan each subject is: one patient's scans stay on one side.
    """
    from guided_attention.data.patients import ONE_SIDE, look_alike
    from guided_attention.data.splits import folds_of, patients_of, with_splits

    source = with_splits(open_data(path, sequence, "in"), splits, groups)
    patients = patients_of(source)
    for fold in folds_of(source):
        print(f"fold {fold.index} ({'as given' if fold.seed is None else f'seed {fold.seed}'})")
        for part in ("train", "validation", "test"):
            print(f"  {part:<11}{' '.join(getattr(fold, part))}")
    for patient in dict.fromkeys(patients.values()):
        print(f"one patient, {patient}: {' '.join(name for name in patients if patients[name] == patient)}")
    if alike := {name: stem for name, stem in look_alike(source.subjects).items() if name not in patients}:
        print(f"names that look like several scans of one patient: {' '.join(alike)}. {ONE_SIDE}")


DATA_COMMANDS: dict[str, Callable[..., None]] = {
    "check": data_check,
    "phantom": data_phantom,
    "fetch": data_fetch,
    "folds": data_folds,
}
