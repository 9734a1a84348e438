"""Right and wrong answers to the exercises of `chapters/23_live.md`."""

import math

import numpy as np
import torch

from guided_attention.teaching import check_half_gone, check_lost_outside


def lost(count, copy=True):
    """Return an answer that counts with ``count(before, after, outside)``."""

    def lost_outside(labels, x, row, col):
        before = labels(x) == 1
        y = x.clone() if copy else x
        y[..., row : row + 12, col : col + 12] = 1.0
        after, outside = labels(y) == 1, np.ones_like(before)
        outside[row : row + 12, col : col + 12] = False
        return int(count(before, after, outside))

    return lost_outside


def half_gone(labels, x, factors):
    liver = labels(x) == 1
    for factor in factors:
        if (labels((x * factor).clamp(0, 1)) == 1)[liver].mean() <= 0.5:
            return factor
    return math.inf


def right(before, after, outside):
    return (before & ~after & outside).sum()


def unclipped(labels, x, factors):
    liver = labels(x) == 1
    return next((f for f in factors if (labels(x * f) == 1)[liver].mean() <= 0.5), math.inf)


def all_liver(labels, x, factors):
    count = (labels(x) == 1).sum()
    return next((f for f in factors if (labels((x * f).clamp(0, 1)) == 1).sum() <= count / 2), math.inf)


def gone(labels, x, factor):
    liver = np.argwhere(labels(x) == 1).tolist()
    after = np.argwhere(labels(torch.clip(x * factor, 0, 1)) == 1).tolist()
    return 2 * sum(pixel in after for pixel in liver) <= len(liver)


def by_sets(labels, x, row, col):
    y = x.clone()
    y[0, 0, row : row + 12, col : col + 12] = 1
    before, after = ({*map(tuple, np.argwhere(labels(image) == 1))} for image in (x, y))
    return sum(not (row <= r < row + 12 and col <= c < col + 12) for r, c in before - after)


ANSWERS = {
    check_lost_outside: (
        [lost(right), by_sets],
        [
            (lost(right, copy=False), "x.clone()"),
            (lost(lambda b, a, o: (b & ~a).sum()), "216 for a square at row 12, column 12: with those under"),
            (lost(lambda b, a, o: ((b != a) & o).sum()), "120 .* became liver; only lost"),
            (lost(lambda b, a, o: (b & o).sum() - (a & o).sum()), "24 .* lost are lost"),
            (lost(lambda b, a, o: (a & o).sum()), "how many were lost"),
            (lambda labels, x, row, col: lost(right)(labels, x, col, row), "144 .*row and column changed places"),
            (lambda labels, x, row, col: 1, "expected 72"),
            (lambda *a: 72, "expected"),
        ],
    ),
    check_half_gone: (
        [half_gone, lambda labels, x, factors: min([f for f in factors if gone(labels, x, f)], default=math.inf)],
        [
            (unclipped, "clip to 1"),
            (all_liver, "were liver at first"),
            (lambda *a: 1.2, "last factor before"),
            (lambda *a: 1.3, "expected math.inf"),
            (lambda *a: 1.1, "clip to 1"),
        ],
    ),
}
