"""Checkers for the exercises of the chapter *Your own volumes*."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker

__all__ = ["check_counted", "check_leaks", "check_recode"]

Ids = Mapping[str, int]


@checker
def check_counted(counted: Callable[[np.ndarray], np.ndarray]) -> Feedback:
    """Check what is left of a scan's greys, ``counted(grey)``."""
    simple = np.repeat([100.0, 420.0, 2000.0], [900, 60, 40])
    found = counted(simple.copy())
    if found.ndim != 1:
        return Feedback(False, f"Expected a list of greys, found an array of shape {found.shape}.")
    if np.array_equal(np.sort(found), simple[:900]):
        return Feedback(False, "The 60 of 420 are gone, too: 4.2 times as bright as the median still counts.")
    if not np.array_equal(np.sort(found), simple[:960]):
        return Feedback(False, f"Of 900 voxels of 100, 60 of 420 and 40 of 2000 960 count; {found.size} came back.")
    even = np.linspace(60, 140, 1000)
    if counted(even.copy()).size != 1000:
        return Feedback(False, "Of 1000 voxels between 60 and 140 nothing stands out, but some are gone.")
    # those of 50 are no body until those of 3000 are gone: only then is the median 50, and 400 too bright
    rounds = np.repeat([5.0, 50.0, 100.0, 400.0, 3000.0], [100, 400, 250, 30, 30])
    if 400.0 in counted(rounds.copy()):
        return Feedback(False, "One round is not enough: without the brightest the median falls, and more goes.")
    return Feedback(True, "What is far brighter than the body has no say.")


@checker
def check_recode(recode: Callable[[np.ndarray, Ids, Ids], np.ndarray]) -> Feedback:
    """Check the translation of ids by names, ``recode(labels, theirs, ours)``."""
    ours = {"background": 0, "liver": 1, "spleen": 4}
    cases = [
        ([[0, 1], [2, 1]], {"background": 0, "spleen": 1, "liver": 2}, "two organs exchanged"),
        ([[0, 7], [3, 3]], {"background": 0, "stomach": 3, "liver": 7}, "an organ that we do not have"),
        ([[4, 1], [0, 1]], {"background": 0, "liver": 4, "spleen": 1}, "ids that are ours with another meaning"),
    ]
    for rows, theirs, what in cases:
        labels = np.array(rows)
        names = {number: name for name, number in theirs.items()}
        right = np.vectorize(lambda number, names=names: ours.get(names[number], 0))(labels)
        found = recode(labels.copy(), dict(theirs), dict(ours))
        if found.shape != labels.shape:
            return Feedback(False, f"With {what}: shape {found.shape}, expected {labels.shape}.")
        if np.array_equal(found, right):
            continue
        why = f"gave {found.tolist()} for {rows}, expected {right.tolist()}"
        if np.array_equal(found, labels):
            why = "the numbers were taken over as they are; only names mean something"
        elif what.startswith("ids that are ours"):
            why += ". Replacing in place changes a number twice; write into another array"
        return Feedback(False, f"With {what}: {why}.")
    try:
        silent = recode(np.array([[0, 5]]), {"background": 0, "liver": 2}, dict(ours))
    except ValueError:
        return Feedback(True, "Names decide, and a number without one is an error.")
    return Feedback(False, f"The id 5 has no name, and became {silent.tolist()} in silence; raise a ValueError.")


@checker
def check_leaks(leaks: Callable[[Sequence[str], Sequence[str], Mapping[str, str]], Collection[str]]) -> Feedback:
    """Check who is on both sides of a split, ``leaks(train, test, patient)``."""
    cases: list[tuple[list[str], list[str], dict[str, str], set[str]]] = [
        (["a", "b"], ["c", "d"], {"a": "P1", "c": "P1"}, {"c"}),
        (["a", "b"], ["c", "d"], {}, set()),
        (["x1", "y1"], ["x2", "x3", "z"], {"x1": "X", "x2": "X", "x3": "X", "z": "Z"}, {"x2", "x3"}),
        (["P2"], ["q", "r"], {"q": "P2"}, {"q"}),
        (["s"], ["s", "t"], {}, {"s"}),
    ]
    for train, test, patient, right in cases:
        found = set(leaks(list(train), list(test), dict(patient)))
        if found == right:
            continue
        call = f"leaks({train}, {test}, {patient}) gave {sorted(found)}, expected {sorted(right)}"
        if found and found <= {patient.get(s, s) for s in test} and not found <= set(test):
            return Feedback(False, f"{call}: name the subjects, not the patients.")
        if not found and right == set(test) & set(train):
            return Feedback(False, f"{call}: the same subject on both sides is the plainest leak.")
        if found - right and not (found - right) & patient.keys():
            return Feedback(False, f"{call}: subjects without an entry are not one patient; each is its own.")
        return Feedback(False, f"{call}.")
    return Feedback(True, "One patient, one side.")
