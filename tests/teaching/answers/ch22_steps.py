"""Right and wrong answers to the exercises of `chapters/22_steps.md`."""

import numpy as np

from guided_attention.teaching import check_atlas_share, check_strangers


def by_rolling(subject):
    order = np.argsort(subject, kind="stable")
    found = np.empty_like(order)
    found[order] = np.roll(order, -np.bincount(subject).max())
    return found


def by_trying(subject):
    rng = np.random.default_rng(0)
    while True:
        found = rng.permutation(len(subject))
        if all(subject[i] != subject[j] for i, j in enumerate(found)):
            return found.tolist()


def first_other(subject):
    return np.array([next(i for i, other in enumerate(subject) if other != own) for own in subject])


ANSWERS = {
    check_strangers: (
        [by_rolling, by_trying],
        [
            (lambda subject: np.arange(len(subject)), "keeps its own gate"),
            (lambda subject: np.roll(np.arange(len(subject)), 1), "is no stranger"),
            (lambda subject: np.arange(len(subject))[::-1], "keeps its own gate"),
            (first_other, "used twice"),
            (lambda subject: by_rolling(subject) / 1.0, "expected indices from 0 to 3"),
            (lambda subject: by_rolling(subject) + len(subject), "expected indices from 0 to 3"),
            (lambda subject: by_rolling(subject)[:2], "one index for each"),
        ],
    ),
    check_atlas_share: (
        [lambda gate: gate.mean(0).var() / gate.var(), lambda gate: 1 - gate.var(0).mean() / gate.var()],
        [
            (lambda gate: gate.var(0).mean() / gate.var(), "the share that stays"),
            (lambda gate: gate.mean(0).var(), "divide by the variance"),
            (lambda gate: gate.mean(0).std() / gate.std(), "standard deviations"),
            (lambda gate: 0.8, "the share is 1"),
            (lambda gate: 3.0, "expected 0.8"),
            (lambda gate: 0.8 if len(gate) == 2 and gate.std(0).any() else 1.0, "of "),
        ],
    ),
}
