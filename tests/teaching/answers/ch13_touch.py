"""Right and wrong answers to the exercises of `chapters/13_touch.md`."""

import numpy as np

from guided_attention.teaching import check_half_of_the_attention, check_times_chance


def half(row):
    return int(np.searchsorted(np.cumsum(np.sort(row.ravel())[::-1]), 0.5 - 1e-12)) + 1


def one_by_one(row):
    left, count = sorted(row.flatten()), 0
    while sum(left) > row.sum() / 2 + 1e-9:
        left.pop()
        count += 1
    return count


ANSWERS = {
    check_half_of_the_attention: (
        [half, one_by_one],
        [
            (lambda row: 1, "half of the attention is wanted"),
            (lambda row: int(np.searchsorted(np.cumsum(row), 0.5)) + 1, "loudest first"),
            (lambda row: int((np.cumsum(np.sort(row.ravel())[::-1]) <= 0.5).sum()) + 1, "9 of 16 equal positions"),
            (lambda row: int((row >= 0.02).sum()), "it takes 2"),
            (lambda row: 2, "it takes 8"),
        ],
    ),
    check_times_chance: (
        [lambda row, mask: row[mask].sum() / mask.mean(), lambda row, mask: row[mask].mean() / row.mean()],
        [
            (lambda row, mask: row[mask].sum(), "Divide"),
            (lambda row, mask: row[mask].mean(), "mean weight inside"),
            (lambda row, mask: mask.mean() / row[mask].sum(), "Upside down"),
            (lambda row, mask: 7.0, "expected 1.2"),
            (lambda row, mask: 1.2, "expected 0.4"),
            (lambda row, mask: 2 * row[mask].sum(), "expected 0.4"),
        ],
    ),
}
