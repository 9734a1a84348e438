"""The checkers of the ablation chapter accept the right answer and name each typical mistake."""

import math

import numpy as np
import pytest

from guided_attention.report.signed_rank import signed_rank
from guided_attention.teaching import check_floor, check_right_p, check_subjects_needed


def floor(patterns, alpha):
    return next(m for m in range(1, 60) if patterns / 2**m <= alpha)


def plan(gain, variance):
    return math.ceil((1.96 + 0.84) ** 2 * variance / gain**2)


def test_right_answers_pass():
    assert check_floor(lambda alpha, tests: floor(2 * tests, alpha))
    assert check_subjects_needed(lambda g, a, b, r: plan(g, a**2 + b**2 - 2 * r * a * b))
    assert check_right_p(lambda d: signed_rank(d.mean(axis=0)))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda alpha, tests: floor(tests, alpha), "two-sided"),
        (lambda alpha, tests: floor(2, alpha), "multiplied by the number"),
        (lambda alpha, tests: next(m for m in range(1, 60) if 2 * tests / 2**m < alpha), "equal to alpha"),
        (lambda alpha, tests: 15, "2 / 2**M"),
    ],
)
def test_floor_names_the_mistake(wrong, reason):
    feedback = check_floor(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda g, a, b, r: plan(g, a**2 + b**2), "share their subjects"),
        (lambda g, a, b, r: plan(g, a**2 + b**2 + 2 * r * a * b), "is subtracted"),
        (lambda g, a, b, r: plan(g, a**2 + b**2 - r * a * b), "counts twice"),
        (lambda g, a, b, r: plan(g, (a - b) ** 2), "unless r = 1"),
        (lambda g, a, b, r: plan(g, math.sqrt(a**2 + b**2 - 2 * r * a * b)), "squares s_d"),
        (lambda g, a, b, r: math.ceil(1.96**2 * (a**2 + b**2 - 2 * r * a * b) / g**2), "every second attempt"),
        (lambda g, a, b, r: math.ceil(2.8 * math.sqrt(a**2 + b**2 - 2 * r * a * b) / g), "bracket is squared"),
        (lambda g, a, b, r: 2.8**2 * (a**2 + b**2 - 2 * r * a * b) / g**2, "round up"),
        (lambda g, a, b, r: 15, "expected 220"),
    ],
)
def test_planning_names_the_mistake(wrong, reason):
    feedback = check_subjects_needed(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda d: signed_rank(np.ravel(d)), "15 subjects; there are 5"),
        (lambda d: signed_rank(d.mean(axis=1)), "rows of d are seeds"),
        (lambda d: signed_rank(d[0]), "one seed"),
        (lambda d: signed_rank(d.mean(axis=0)) / 2, "one-sided"),
        (lambda d: 0.5, "expected 0.0625"),
    ],
)
def test_seeds_name_the_mistake(wrong, reason):
    feedback = check_right_p(wrong)
    assert not feedback
    assert reason in feedback.message
