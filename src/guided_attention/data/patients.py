"""Whose scan it is: several scans of one patient belong on one side of a split (chapter *From scanner to tensor*).

A network that has seen a patient's scan before treatment knows the anatomy of the one after it, so its score there
says little about new patients. Names of files do not tell safely who is who: a table does, or DICOM's PatientID.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from guided_attention.errors import DataError, SettingsError

__all__ = ["ONE_SIDE", "dicom_identity", "look_alike", "read_groups", "same_patient", "shared"]

#: What to do about several scans of one patient.
ONE_SIDE = "One patient? --groups FILE, a table subject,patient, keeps all scans of one on one side of the split."

_GROUPS = 'a table of two columns, subject and patient, or JSON such as {"subject": "patient"}'
#: Files looked at in a folder before it counts as one without DICOM.
_TRIES = 20
#: What people append to a patient's name to tell visits apart.
_VISIT = re.compile(
    r"(.+?)(?:[-_. ]|(?<=\d))"
    r"(?:(?:pre|post|baseline|bl|follow-?up|fu|session|ses|visit|scan|week|month|day|time|tp|v|t|w|m|d)[-_]?\d*"
    r"|(?:19|20)\d\d-?[01]\d-?[0-3]\d)",
    re.IGNORECASE,
)


def read_groups(path: str | Path, subjects: Iterable[str]) -> dict[str, str]:
    """Read which subject is whose scan.

    Parameters
    ----------
    path : str or Path
        A table with two columns, subject and patient, separated by commas, semicolons or tabs, with or without a
        first line of titles (``.csv``, ``.tsv``, ``.txt``); or JSON (``.json``), ``{"subject": "patient"}`` or
        ``{"patient": ["subject", ...]}``.
    subjects : iterable of str
        Of the data set. Who is not named in the file is a patient of its own.

    Returns
    -------
    dict from subject to patient

    Raises
    ------
    DataError
        If the file cannot be read as either.
    SettingsError
        If it names a subject that the data set does not have, or gives one to two patients.
    """
    path, known = Path(path), set(subjects)
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = _from_json(json.loads(text)) if path.suffix.lower() == ".json" else _from_table(text, known)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise DataError(f"{path}: expected {_GROUPS}, but {error}.") from error
    found: dict[str, str] = {}
    for subject, patient in pairs:
        if found.setdefault(subject, patient) != patient:
            raise SettingsError(
                f"{path}: subject {subject!r} is given to two patients, {found[subject]} and {patient}."
            )
    if strangers := sorted(set(found) - known):
        raise SettingsError(
            f"{path}: names {', '.join(strangers)}, which the data set does not have; it has "
            f"{', '.join(sorted(known))}. Names are those that `guided-attention data folds` prints."
        )
    return found


def _from_table(text: str, known: set[str]) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip()]
    mark = max(",;\t", key=lambda m: sum(m in line for line in lines))
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    if rows and rows[0][0] not in known and all(row[0] in known for row in rows[1:]):
        rows = rows[1:]  # titles
    for row in rows:
        if len(row) != 2 or not all(row):
            raise ValueError(f"a line is {mark.join(row)!r}")
    if not rows:
        raise ValueError("there is no line")
    return [(row[0], row[1]) for row in rows]


def _from_json(content: Any) -> list[tuple[str, str]]:
    if not isinstance(content, dict) or not content:
        raise ValueError(f"it holds a {type(content).__name__}, empty or of another kind")
    pairs = []
    for name, value in content.items():
        members = value if isinstance(value, list) else None
        if not all(isinstance(part, (str, int)) for part in ([value] if members is None else members)):
            raise ValueError(f"{name!r} has {value!r}")
        pairs += [(name, str(value))] if members is None else [(str(member), name) for member in members]
    return pairs


def dicom_identity(path: Path) -> tuple[str, str]:
    """Return PatientID and StudyInstanceUID of a DICOM file, or of the first in a folder; empty where there is none.

    Only the header's two fields are read.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    files = (p for p in sorted(path.rglob("*")) if p.is_file()) if path.is_dir() else [path]
    for file in islice(files, _TRIES):
        try:
            header = dcmread(file, stop_before_pixels=True, specific_tags=["PatientID", "StudyInstanceUID"])
        except (InvalidDicomError, OSError, ValueError, EOFError, NotImplementedError):
            continue  # what is wrong with it, the check says
        return tuple(str(header.get(name) or "").strip() for name in ("PatientID", "StudyInstanceUID"))
    return "", ""


def same_patient(identities: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Return subject -> patient for those who share one: a PatientID, or the study where no PatientID is left.

    An identity that every subject has is an anonymiser's and says nothing.
    """
    whose = {subject: patient or study for subject, (patient, study) in identities.items() if patient or study}
    return shared(whose) if len(set(whose.values())) > 1 or len(whose) < len(identities) else {}


def shared(whose: Mapping[str, str]) -> dict[str, str]:
    """Return those of a mapping subject -> patient who are not the only scan of their patient."""
    patients = list(whose.values())
    return {subject: patient for subject, patient in whose.items() if patients.count(patient) > 1}


def look_alike(subjects: Iterable[str]) -> dict[str, str]:
    """Return subject -> stem for names that look like visits of one patient: ``P01_pre`` and ``P01_post``.

    A stem that every name has is the name of the study.
    """
    names = tuple(subjects)
    found = {name: match[1].rstrip("-_. ") for name in names if (match := _VISIT.fullmatch(name))}
    return shared(found) if len(set(found.values())) > 1 or len(found) < len(names) else {}
