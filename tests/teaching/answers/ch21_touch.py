"""Right and wrong answers to the exercises of `chapters/21_touch.md`."""

import numpy as np

from guided_attention.teaching import check_half_of_the_attention, check_reach


def half(row):
    return int(np.searchsorted(np.cumsum(np.sort(row.ravel())[::-1]), 0.5 - 1e-12)) + 1


def one_by_one(row):
    left, count = sorted(row.flatten()), 0
    while sum(left) > row.sum() / 2 + 1e-9:
        left.pop()
        count += 1
    return count


def offset(row, position):
    return np.linalg.norm(np.indices(row.shape) - np.array(position)[:, None, None], axis=0)


def reach(row, position):
    return (row * offset(row, position)).sum()


def step_by_step(row, position):
    y, x = position
    places = [(i, j) for i in range(len(row)) for j in range(len(row[0]))]
    return np.float32(sum(row[i, j] * ((i - y) ** 2 + (j - x) ** 2) ** 0.5 for i, j in places))


def by_blocks(row, position):
    return (row * np.abs(np.indices(row.shape) - np.array(position)[:, None, None]).sum(0)).sum()


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
    check_reach: (
        [reach, step_by_step],
        [
            (lambda row, at: reach(row, at[::-1]), r"\(row, column\)"),
            (lambda row, at: reach(np.full_like(row, 1 / row.size), at), "of all positions"),
            (lambda row, at: reach((row > 0) / (row > 0).sum(), at), "weigh them"),
            (lambda row, at: reach(row == row.max(), at), "loudest"),
            (
                lambda row, at: (row * sum(abs(i - a) for i, a in zip(np.indices(row.shape), at, strict=True))).sum(),
                "rows",
            ),
            (lambda row, at: (row * offset(row, at) ** 2).sum(), "of squares"),
            (lambda row, at: np.sqrt((row * offset(row, at) ** 2).sum()), "root of the mean square"),
            (lambda row, at: 2 * reach(row, at), "expected"),
        ],
    ),
}
