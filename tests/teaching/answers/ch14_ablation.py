"""Right and wrong answers to the exercises of `chapters/14_ablation.md`."""

import math
from itertools import product

import numpy as np
from scipy.stats import rankdata, wilcoxon

from guided_attention.teaching import check_floor, check_right_p, check_subjects_needed


def floor(patterns, alpha):
    return next(m for m in range(1, 60) if patterns / 2**m <= alpha)


def plan(gain, variance):
    return math.ceil((1.96 + 0.84) ** 2 * variance / gain**2)


def exact(values):
    """Two-sided p of the signed-rank test, over all patterns of signs."""
    ranks = rankdata(np.abs(values))
    sums = [abs(np.dot(signs, ranks)) for signs in product((-1, 1), repeat=len(values))]
    return sum(s >= abs(np.dot(np.sign(values), ranks)) - 1e-9 for s in sums) / len(sums)


ANSWERS = {
    check_floor: (
        [
            lambda alpha, tests: floor(2 * tests, alpha),
            lambda alpha, tests: math.ceil(math.log2(2 * tests / alpha) - 1e-12),
        ],
        [
            (lambda alpha, tests: floor(tests, alpha), "two-sided"),
            (lambda alpha, tests: floor(2, alpha), "multiplied by the number"),
            (lambda alpha, tests: next(m for m in range(1, 60) if 2 * tests / 2**m < alpha), "equal to alpha"),
            (lambda alpha, tests: 15, "2 / 2**M"),
            (lambda alpha, tests: floor(2, 1 - (1 - alpha) ** (1 / tests)), "Šidák"),
        ],
    ),
    check_subjects_needed: (
        [
            lambda g, a, b, r: plan(g, a**2 + b**2 - 2 * r * a * b),
            lambda g, a, b, r: -int(-((2.8 * math.hypot(a - r * b, b * math.sqrt(1 - r * r)) / g) ** 2) // 1),
        ],
        [
            (lambda g, a, b, r: plan(g, a**2 + b**2), "share their subjects"),
            (lambda g, a, b, r: plan(g, a**2 + b**2 + 2 * r * a * b), "is subtracted"),
            (lambda g, a, b, r: plan(g, a**2 + b**2 - r * a * b), "counts twice"),
            (lambda g, a, b, r: plan(g, (a - b) ** 2), "unless r = 1"),
            (lambda g, a, b, r: plan(g, math.sqrt(a**2 + b**2 - 2 * r * a * b)), "squares sigma_d"),
            (lambda g, a, b, r: math.ceil(1.96**2 * (a**2 + b**2 - 2 * r * a * b) / g**2), "every second attempt"),
            (lambda g, a, b, r: math.ceil(2.8 * math.sqrt(a**2 + b**2 - 2 * r * a * b) / g), "bracket is squared"),
            (lambda g, a, b, r: 2.8**2 * (a**2 + b**2 - 2 * r * a * b) / g**2, "round up"),
            (lambda g, a, b, r: 15, "expected 220"),
        ],
    ),
    check_right_p: (
        [lambda d: exact(d.mean(axis=0)), lambda d: wilcoxon(np.mean(d, 0)).pvalue],
        [
            (lambda d: exact(np.ravel(d)), "12 subjects; there are 6"),
            (lambda d: exact(d.mean(axis=1)), "rows of d are seeds"),
            (lambda d: exact(d[0]), "uses seed 0"),
            (lambda d: exact(d.mean(axis=0)) / 2, "one-sided"),
            (lambda d: 0.3, "expected 0.1562"),
            (lambda d: exact(d[-1]), "uses seed 1"),
            (lambda d: exact(np.median(d, axis=0)), "for a d of shape (3, 5)"),
            (lambda d: np.mean([exact(row) for row in d]), "the mean of the p"),
            (lambda d: 0.15625, "expected 0.1250"),
        ],
    ),
}
