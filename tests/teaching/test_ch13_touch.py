"""Checkers of the chapter on touching attention: right answers pass, and each usual mistake is named."""

import numpy as np
import pytest

from guided_attention.teaching import check_half_of_the_attention, check_times_chance


def half(row):
    return int(np.searchsorted(np.cumsum(np.sort(row.ravel())[::-1]), 0.5 - 1e-12)) + 1


def test_right_answers():
    assert check_half_of_the_attention(half)
    assert check_times_chance(lambda row, mask: row[mask].sum() / mask.mean())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda row: 1, "half of the attention is wanted"),
        (lambda row: int(np.searchsorted(np.cumsum(row), 0.5)) + 1, "loudest first"),
        (lambda row: int((np.cumsum(np.sort(row.ravel())[::-1]) <= 0.5).sum()) + 1, "9 of 16 equal positions"),
        (lambda row: int((row >= 0.02).sum()), "it takes 2"),
        (lambda row: 2, "it takes 8"),
    ],
)
def test_mistakes_with_the_half(wrong, words):
    verdict = check_half_of_the_attention(wrong)
    assert not verdict
    assert words in verdict.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda row, mask: row[mask].sum(), "Divide"),
        (lambda row, mask: row[mask].mean(), "mean weight inside"),
        (lambda row, mask: mask.mean() / row[mask].sum(), "Upside down"),
        (lambda row, mask: 7.0, "expected 1.2"),
    ],
)
def test_mistakes_with_the_share(wrong, words):
    verdict = check_times_chance(wrong)
    assert not verdict
    assert words in verdict.message
