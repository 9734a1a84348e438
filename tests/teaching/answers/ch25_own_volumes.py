"""Right and wrong answers to the exercises of `chapters/25_own_volumes.md`."""

import numpy as np

from guided_attention.teaching import check_counted, check_leaks, check_recode


def counted(grey, factor=4.5, rounds=99, body=lambda grey: grey > grey.mean() / 2):
    for _ in range(rounds):
        kept = grey[grey <= factor * np.median(grey[body(grey)])]
        if len(kept) == len(grey):
            break
        grey = kept
    return grey


def by_recursion(grey):
    limit = 4.5 * np.median(grey[2 * grey > grey.mean()])
    return by_recursion(grey[grey <= limit]) if grey.max() > limit else list(grey)


def recode(labels, theirs, ours):
    if not set(labels.ravel().tolist()) <= set(theirs.values()):
        raise ValueError("a number without a name")
    result = np.zeros_like(labels)
    for name, number in theirs.items():
        result[labels == number] = ours.get(name, 0)
    return result


def by_table(labels, theirs, ours):
    names = {number: name for name, number in theirs.items()}
    try:
        return [[ours.get(names[number], 0) for number in row] for row in labels.tolist()]
    except KeyError as missing:
        raise ValueError(f"{missing} has no name") from None


def in_place(labels, theirs, ours):
    for name, number in theirs.items():
        labels[labels == number] = ours.get(name, 0)
    return labels


def silent(labels, theirs, ours):
    known = {number: ours.get(name, 0) for name, number in theirs.items()}
    return np.vectorize(lambda number: known.get(number, 0))(labels)


def leaks(train, test, patient):
    seen = {patient.get(subject, subject) for subject in train}
    return {subject for subject in test if patient.get(subject, subject) in seen}


def unknown_is_one(train, test, patient):
    return [subject for subject in test if patient.get(subject) in map(patient.get, train)]


def pairwise(train, test, patient):
    return [s for s in test if any(patient.get(s, s) == patient.get(other, other) for other in train)]


ANSWERS = {
    check_counted: (
        [counted, by_recursion],
        [
            (lambda grey: counted(grey, factor=4.0), "The 60 of 420"),
            (lambda grey: grey, "1000 came back"),
            (lambda grey: counted(grey, rounds=1), "One round"),
            (lambda grey: grey[grey <= 4.5 * np.median(grey)] if grey.max() > 1000 else grey[:900], "some are gone"),
            (lambda grey: grey.reshape(-1, 10), "Expected a list of greys"),
        ],
    ),
    check_recode: (
        [recode, by_table],
        [
            (lambda labels, theirs, ours: labels, "taken over"),
            (in_place, "changes a number twice"),
            (silent, "in silence"),
            (lambda labels, theirs, ours: recode(labels, theirs, ours).ravel(), "shape"),
            (lambda labels, theirs, ours: recode(labels, theirs, ours) * 0, "expected"),
        ],
    ),
    check_leaks: (
        [leaks, pairwise],
        [
            (lambda train, test, patient: {patient.get(s, s) for s in leaks(train, test, patient)}, "not the patients"),
            (lambda train, test, patient: set(train) & set(test), "expected"),
            (
                lambda train, test, patient: [s for s in test if patient.get(s) in map(patient.get, train)],
                "each is its own",
            ),
            (lambda train, test, patient: leaks(train, test, patient) - set(train), "plainest leak"),
            (lambda train, test, patient: ["c"], "expected"),
        ],
    ),
}
