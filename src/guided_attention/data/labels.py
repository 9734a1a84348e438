"""What the numbers in a label volume mean: names, ids in files, colours, pairs of left and right (chapter 1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations, cycle

import numpy as np

from guided_attention.errors import DataError, SettingsError

__all__ = ["BACKGROUND", "CHAOS_LABELS", "PALETTE", "LabelSet", "name_key"]

BACKGROUND = "background"
#: Colours of organs. The first five are Okabe and Ito's, whose vermilion and yellow mark errors. Of those that follow,
#: each lies in CIELAB as far as can be from all before it, for readers with normal sight and for those without red,
#: green or blue cones alike (Machado et al. 2009), and none is a grey of the picture. Of these 22 any two are 14 apart
#: or more; a larger set repeats them.
PALETTE = (
    *("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#0072B2", "#8800FF", "#CCFFCC", "#664422", "#880066", "#66FF88"),
    *("#8866FF", "#AAAA66", "#6600AA", "#AAFFFF", "#884400", "#FFAACC", "#CC0044", "#CC00AA", "#AA88FF", "#AA4488"),
    *("#0022CC", "#CCEE66"),
)
_GREY = "#8b949e"
#: The palette's first colours belong to these organs in every set that has them.
_KNOWN = ("liver", "kidney_right", "kidney_left", "spleen")
_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}
#: Labels are uint8 in memory.
_MOST = 255
#: Part of a class by which a label may miss an integer: scale factors and resampling round, half a class is a mistake.
_NEARLY = 0.05
_RESAMPLED = "(values between two classes: a mask that was resampled with interpolation? Take the nearest neighbour)"
_HOW_TO_NAME = '(a labels.json in the folder names others: {"labels": {"background": 0, "prostate": 1}})'


@dataclass(frozen=True)
class LabelSet:
    """The classes that a data set labels, or a network tells apart: their place here is the value in memory.

    Files may use other numbers, with gaps, or in another order; reading and writing translate (`to_classes`,
    `to_ids`). Two sets are matched by their names (`name_key`), never by numbers.

    Parameters
    ----------
    names : tuple of str
        Background first, then the organs.
    ids : tuple of int, optional
        The number of each class in files; default 0, 1, 2, ... Background is 0.
    colours : tuple of str, optional
        ``#RRGGBB`` of each class, the background's for bars; default those of `PALETTE`.
    mirrored : tuple of pairs of names, optional
        Organs that change places in a mirror; default those whose names differ in left and right alone.

    Raises
    ------
    SettingsError
        If a name or id occurs twice, there is no organ or more than 255, or the lengths differ.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...] = ()
    colours: tuple[str, ...] = field(default=(), compare=False)
    mirrored: tuple[tuple[str, str], ...] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        _check_names(self.names)
        ids = tuple(self.ids) or tuple(range(len(self.names)))
        _demand(len(ids) == len(self.names), f"{len(self.names)} ids, one for each class", f"{len(ids)}")
        _demand(all(type(i) is int and i >= 0 for i in ids), "ids that are whole numbers from 0 on", f"{ids}")
        _demand(len(set(ids)) == len(ids), "another id for each class", f"{ids}")
        _demand(ids[0] == 0, f"{BACKGROUND} to have the id 0", f"{ids[0]}")
        colours = tuple(self.colours) or _colours_of(self.names)
        right = len(colours) == len(self.names) and all(re.fullmatch("#[0-9a-fA-F]{6}", str(c)) for c in colours)
        _demand(right, f"{len(self.names)} colours like #E69F00", f"{colours}")
        pairs = _pairs_of(self.names) if self.mirrored is None else tuple(tuple(pair) for pair in self.mirrored)
        known = all(len(pair) == 2 and set(pair) <= set(self.organs) for pair in pairs)
        _demand(known, "mirrored pairs of two organs each", f"{pairs}")
        for name, value in (("ids", ids), ("colours", colours), ("mirrored", pairs)):
            object.__setattr__(self, name, value)

    @property
    def organs(self) -> tuple[str, ...]:
        """The names without the background."""
        return self.names[1:]

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        return ", ".join(f"{value} {name}" for value, name in zip(self.ids, self.names, strict=True) if value)

    def index(self, name: str) -> int:
        """Return the class of a name, written in any of the ways that `name_key` holds for the same.

        Raises
        ------
        SettingsError
            If there is none; it lists the organs.
        """
        keys = [name_key(own) for own in self.names]
        if name_key(name) not in keys:
            raise SettingsError(f"organ={name!r} is unknown; choose one of {', '.join(self.organs)}.")
        return keys.index(name_key(name))

    def complaint(self, values: np.ndarray) -> str:
        """Say which values of a file are no ids of the set, to a twentieth; empty where all of them are."""
        found = np.unique(values)
        with np.errstate(invalid="ignore"):  # of infinite ones
            near = np.abs(found - np.rint(found)) <= _NEARLY
        wrong = found[~(near & np.isin(np.rint(found), self.ids))]
        if not wrong.size:
            return ""
        listed = ", ".join(f"{v:g}" for v in wrong[:8]) + (", ..." if wrong.size > 8 else "")
        expected = f"expected the classes 0 {self.names[0]}, {self}; found {listed} as well"
        between = np.isfinite(found).all() and not near.all()
        return f"{expected} {_RESAMPLED if between else _HOW_TO_NAME}"

    def to_classes(self, values: np.ndarray) -> np.ndarray:
        """Return the classes, uint8, of values of a file in which `complaint` finds nothing wrong."""
        values = np.rint(values)
        if self.ids == tuple(range(len(self))):
            return values.astype(np.uint8)
        order = np.argsort(self.ids)
        return order[np.searchsorted(np.take(self.ids, order), values)].astype(np.uint8)

    def to_ids(self, classes: np.ndarray) -> np.ndarray:
        """Return the ids of classes, in the smallest unsigned type that holds those of the set."""
        return np.array(self.ids, np.min_scalar_type(max(self.ids)))[classes]

    def common(self, other: LabelSet) -> LabelSet:
        """Return the organs that another set has as well, as this one calls and orders them.

        Raises
        ------
        DataError
            If there are none; it names both sets.
        """
        theirs = {name_key(name) for name in other.names}
        kept = [i for i, name in enumerate(self.names) if name_key(name) in theirs]
        if len(kept) < 2:
            raise DataError(
                f"expected organs of the same names on both sides, found {', '.join(self.organs)} and "
                f"{', '.join(other.organs)}: none is in both."
            )
        names, ids, colours = (tuple(row[i] for i in kept) for row in (self.names, self.ids, self.colours))
        return LabelSet(names, ids, colours, tuple(pair for pair in self.mirrored if set(pair) <= set(names)))

    def translate(self, classes: np.ndarray, to: LabelSet) -> np.ndarray:
        """Return classes of this set as classes of another, by name; what that does not know becomes background."""
        places = {name_key(name): place for place, name in enumerate(to.names)}
        return np.array([places.get(name_key(name), 0) for name in self.names], np.uint8)[classes]


def name_key(name: str) -> tuple[str, ...]:
    """Return what tells names apart: their words, whatever case, order and marks; ``kidney_left``, ``Left kidney``."""
    spaced = re.sub("(?<=[a-z])(?=[A-Z])", " ", name)
    return tuple(sorted(re.findall(r"[^\W\d_]+|\d+", spaced.lower()))) or (name,)


def _demand(condition: object, expected: str, found: str) -> None:
    if not condition:
        raise SettingsError(f"label set: expected {expected}, found {found}.")


def _check_names(names: tuple[str, ...]) -> None:
    _demand(all(isinstance(name, str) and name.strip() for name in names), "a name for every class", f"{names}")
    _demand(len(names) > 1 and name_key(names[0]) == (BACKGROUND,), f"{BACKGROUND}, then organs", f"{names}")
    _demand(len(names) <= _MOST + 1, f"{_MOST} organs at most", f"{len(names) - 1}")
    _demand("mean" not in names, "another name than 'mean', which tables call the mean of the organs", "it")
    for one, other in combinations(names, 2) if len({*map(name_key, names)}) < len(names) else ():
        _demand(name_key(one) != name_key(other), "another name for each class", f"{one!r} and {other!r}")


def _colours_of(names: Iterable[str]) -> tuple[str, ...]:
    own = {name_key(name): colour for name, colour in zip(_KNOWN, PALETTE, strict=False)}
    keys = [name_key(name) for name in names][1:]
    taken = {own[key] for key in keys if key in own}
    rest = cycle([colour for colour in PALETTE if colour not in taken])
    return (_GREY, *(own[key] if key in own else next(rest) for key in keys))


def _pairs_of(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    by_key, pairs = {name_key(name): name for name in names}, []
    for name in names:
        mirrored = by_key.get(tuple(sorted(_OTHER_SIDE.get(word, word) for word in name_key(name))), name)
        if mirrored != name and (mirrored, name) not in pairs:
            pairs.append((name, mirrored))
    return tuple(pairs)


#: What CHAOS labels, with the classes as this package counts them; the set wherever nothing else is said.
CHAOS_LABELS = LabelSet((BACKGROUND, *_KNOWN))
