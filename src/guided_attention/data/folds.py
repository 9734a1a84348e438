"""Who trains, who validates, who tests: three folds of 13, 2 and 5 subjects (chapter *From scanner to tensor*).

The paper says how many, not who. So ours are published, in ``folds.json`` beside this file, and every record names
its fold.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from guided_attention.data.source import natural_order
from guided_attention.errors import SettingsError

__all__ = ["CHAOS_FOLDS", "CHAOS_SUBJECTS", "SEED", "Fold", "folds_for", "make_folds"]

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
    seed : int
        That the split was drawn with.
    """

    index: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    seed: int


def make_folds(subjects: Iterable[str], folds: int = 3, seed: int = SEED) -> tuple[Fold, ...]:
    """Split subjects as the paper does, in proportions 13 : 2 : 5.

    No two folds share a test subject, nor a validation subject. The draw orders subjects by a hash of seed and name:
    it is the same on every machine and in every version of every library, and does not depend on the order given.

    Parameters
    ----------
    subjects : iterable of str
        At least ``folds``, and 3.
    folds : int
        How many, 1 to 4 for the paper's proportions (more would need more than all subjects for testing).
    seed : int
        Of the draw.

    Returns
    -------
    tuple of Fold

    Raises
    ------
    SettingsError
        If a name is given twice, or there are too few subjects or too many folds.
    """
    names = natural_order(subjects)
    count = len(names)
    if len(set(names)) < count:
        raise SettingsError(f"subjects: every name may occur once, found {', '.join(names)}.")
    if not 1 <= folds <= 4:
        raise SettingsError(f"folds={folds} must be 1 to 4: each tests a quarter of the subjects.")
    if count < max(3, folds):
        raise SettingsError(f"subjects: {folds} folds need at least {max(3, folds)} subjects, found {count}.")
    test = min(_share(_TEST, count), count // folds)
    validation = min(_share(_VALIDATION, count), test)
    drawn = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    made = []
    for index in range(folds):
        turned = drawn[index * test :] + drawn[: index * test]
        parts = turned[test + validation :], turned[test : test + validation], turned[:test]
        made.append(Fold(index, *map(natural_order, parts), seed))
    return tuple(made)


def _share(part: float, count: int) -> int:
    return max(1, int(part * count + 0.5))


def folds_for(subjects: Iterable[str]) -> tuple[Fold, ...]:
    """Return the published folds for CHAOS's 20 subjects, and those of `make_folds` for any other set.

    Parameters
    ----------
    subjects : iterable of str
        Names; CHAOS's are known as ``5``, ``05`` or ``subject_05``.

    Returns
    -------
    tuple of 3 Fold

    Raises
    ------
    SettingsError
        As `make_folds` does.
    """
    names = tuple(subjects)
    number = {_number(name): name for name in names}
    if len(names) != len(CHAOS_SUBJECTS) or set(number) != set(CHAOS_SUBJECTS):
        return make_folds(names)
    return tuple(
        Fold(f.index, *(tuple(number[s] for s in part) for part in (f.train, f.validation, f.test)), f.seed)
        for f in CHAOS_FOLDS
    )


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
