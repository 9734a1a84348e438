"""Checkers of the chapter on the living network: right answers pass, and each usual mistake is named."""

import math
import re

import numpy as np
import pytest

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


def test_right_answers():
    assert check_lost_outside(lost(right))
    assert check_half_gone(half_gone)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lost(right, copy=False), "x.clone()"),
        (lost(lambda b, a, o: (b & ~a).sum()), "216 for a square at row 12, column 12: with those under"),
        (lost(lambda b, a, o: ((b != a) & o).sum()), "120 .* became liver; only lost"),
        (lost(lambda b, a, o: (b & o).sum() - (a & o).sum()), "24 .* lost are lost"),
        (lost(lambda b, a, o: (a & o).sum()), "how many were lost"),
        (lambda labels, x, row, col: lost(right)(labels, x, col, row), "144 .*row and column changed places"),
        (lambda labels, x, row, col: 1, "expected 72"),
    ],
)
def test_mistakes_with_the_square(wrong, words):
    verdict = check_lost_outside(wrong)
    assert not verdict
    assert re.search(words, verdict.message)


def unclipped(labels, x, factors):
    liver = labels(x) == 1
    return next((f for f in factors if (labels(x * f) == 1)[liver].mean() <= 0.5), math.inf)


def all_liver(labels, x, factors):
    count = (labels(x) == 1).sum()
    return next((f for f in factors if (labels((x * f).clamp(0, 1)) == 1).sum() <= count / 2), math.inf)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (unclipped, "clip to 1"),
        (all_liver, "were liver at first"),
        (lambda *a: 1.2, "last factor before"),
        (lambda *a: 1.3, "expected math.inf"),
    ],
)
def test_mistakes_with_the_brightness(wrong, words):
    verdict = check_half_gone(wrong)
    assert not verdict
    assert words in verdict.message
