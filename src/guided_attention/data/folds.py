"""Who trains, who validates, who tests: three folds of 13, 2 and 5 subjects (chapter *From scanner to tensor*).

The paper says how many, not who. So ours are published, in ``folds.json`` beside this file, and every record names
its fold.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from guided_attention.data.read.names import natural_order
from guided_attention.errors import SettingsError

__all__ = [
    "CHAOS_FOLDS",
    "CHAOS_SUBJECTS",
    "SEED",
    "Fold",
    "draw",
    "folds_for",
    "is_chaos",
    "make_folds",
    "validation_share",
]

#: CHAOS's labelled MR subjects.
CHAOS_SUBJECTS = tuple("1 2 3 5 8 10 13 15 19 20 21 22 31 32 33 34 36 37 38 39".split())
#: Seed of the published folds.
SEED = 2020
_TEST, _VALIDATION = 5 / 20, 2 / 20


@dataclass(frozen=True)
class Fold:
    """One split of the subjects.

    Parameters
    ----------
    index : int
        0, 1, 2.
    train, validation, test : tuple of str
        Subjects; nobody is in two of them.
    seed : int or None
        That the split was drawn with; None if somebody wrote it down.
    """

    index: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    seed: int | None


def make_folds(
    subjects: Iterable[str], folds: int = 3, seed: int = SEED, patients: Mapping[str, str] | None = None
) -> tuple[Fold, ...]:
    """Split subjects as the paper does, in proportions 13 : 2 : 5.

    No two folds share a test subject, nor a validation subject. The draw orders subjects by a hash of seed and name:
    it is the same on every machine and in every version of every library, and does not depend on the order given.
    Several scans of one patient stay on one side: patients are drawn then, by the name of their first scan, and the
    proportions are those of patients.

    Parameters
    ----------
    subjects : iterable of str
        At least ``folds``, and 3.
    folds : int
        How many, 1 to 4 for the paper's proportions (more would need more than all subjects for testing).
    seed : int
        Of the draw.
    patients : mapping from subject to str, optional
        Whose scan it is; a subject that is not named is a patient of its own.

    Returns
    -------
    tuple of Fold

    Raises
    ------
    SettingsError
        If a name is given twice, or there are too few subjects or too many folds.
    """
    names = natural_order(subjects)
    if len(set(names)) < len(names):
        raise SettingsError(f"subjects: every name may occur once, found {', '.join(names)}.")
    drawn = draw(names, seed, patients)
    count = len(drawn)
    if not 1 <= folds <= 4:
        raise SettingsError(f"folds={folds} must be 1 to 4: each tests a quarter of the subjects.")
    if count < max(3, folds):
        found = f"{count}" if count == len(names) else f"{len(names)} scans of {count} patients"
        raise SettingsError(f"subjects: {folds} folds need at least {max(3, folds)} subjects, found {found}.")
    test = min(_share(_TEST, count), count // folds)
    validation = min(validation_share(count), test)
    made = []
    for index in range(folds):
        turned = drawn[index * test :] + drawn[: index * test]
        parts = turned[test + validation :], turned[test : test + validation], turned[:test]
        made.append(Fold(index, *(natural_order(name for scans in part for name in scans) for part in parts), seed))
    return tuple(made)


def draw(names: Iterable[str], seed: int = SEED, patients: Mapping[str, str] | None = None) -> list[tuple[str, ...]]:
    """Return the scans of each patient, patients in an order that only seed and names decide."""
    scans: dict[object, list[str]] = {}
    for name in natural_order(names):
        scans.setdefault(("patient", patients[name]) if patients and name in patients else name, []).append(name)
    return sorted(map(tuple, scans.values()), key=lambda of: hashlib.sha256(f"{seed}:{of[0]}".encode()).digest())


def validation_share(count: int) -> int:
    """Return how many of so many patients validate."""
    return _share(_VALIDATION, count)


def _share(part: float, count: int) -> int:
    return max(1, int(part * count + 0.5))


def folds_for(subjects: Iterable[str], patients: Mapping[str, str] | None = None) -> tuple[Fold, ...]:
    """Return the published folds for CHAOS's 20 subjects, and those of `make_folds` for any other set.

    Parameters
    ----------
    subjects : iterable of str
        Names; CHAOS's are known as ``5``, ``05`` or ``subject_05``.
    patients : mapping from subject to str, optional
        As for `make_folds`. With it no set is CHAOS's, each of whose subjects is a patient.

    Returns
    -------
    tuple of 3 Fold

    Raises
    ------
    SettingsError
        As `make_folds` does.
    """
    names = tuple(subjects)
    if patients or not is_chaos(names):
        return make_folds(names, patients=patients)
    number = {_number(name): name for name in names}
    return tuple(
        Fold(f.index, *(tuple(number[s] for s in part) for part in (f.train, f.validation, f.test)), f.seed)
        for f in CHAOS_FOLDS
    )


def is_chaos(subjects: Iterable[str]) -> bool:
    """Whether these are CHAOS's 20 subjects, in any of the ways in which they are known."""
    names = tuple(subjects)
    return len(names) == len(CHAOS_SUBJECTS) and {_number(name) for name in names} == set(CHAOS_SUBJECTS)


def _number(name: str) -> str:
    match = re.fullmatch(r"(?:subject_?)?0*([0-9]+)", name)
    return match.group(1) if match else name


def published(folds: Iterable[Fold]) -> dict:
    """Return what ``folds.json`` holds for these folds."""
    return {
        "what": "Subjects of the CHAOS MR training set (IDs as released) by fold: 13 train, 2 validate, 5 test.",
        "rule": "guided_attention.data.make_folds",
        "folds": [asdict(fold) for fold in folds],
    }


def _read_published() -> tuple[Fold, ...]:
    content = json.loads(Path(__file__).with_name("folds.json").read_text())
    parts = ("train", "validation", "test")
    return tuple(Fold(f["index"], *(tuple(f[part]) for part in parts), f["seed"]) for f in content["folds"])


#: The published folds.
CHAOS_FOLDS = _read_published()
