"""The checkers of the data chapter accept the right answer and name each typical mistake."""

import numpy as np
import pytest

from guided_attention.teaching import check_millilitres, check_out_of_phase, check_paired


def right_te(tesla):
    return 1000 * 0.5 / (3.4e-6 * 42.58e6 * tesla)


def right_paired(images, labels):
    alone = set(images) ^ set(labels)
    if alone:
        raise ValueError(f"without a partner: {alone}")
    return sorted(images, key=images.get)


def mute(images, labels):
    if set(images) != set(labels):
        raise ValueError("something is missing")
    return sorted(images, key=images.get)


def test_right_answers_pass():
    assert check_out_of_phase(right_te)
    assert check_paired(right_paired)
    assert check_millilitres(lambda labels, value, spacing: (labels == value).sum() * np.prod(spacing) / 1000)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda t: 2 * right_te(t), "whole turn"),
        (lambda t: right_te(t) / 1000, "seconds"),
        (lambda t: right_te(1.5), "grows with the field"),
        (lambda t: 5.0, "half a turn"),
    ],
)
def test_echo_time_names_the_mistake(wrong, reason):
    feedback = check_out_of_phase(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda i, k: sorted(i), "order of their names"),
        (lambda i, k: sorted(i, key=i.get, reverse=True), "head to feet"),
        (lambda i, k: [], "Expected"),
        (lambda i, k: sorted(i, key=i.get), "an image without a label went through"),
        (lambda i, k: right_paired(i, set(i) if set(k) > set(i) else k), "a label without an image went through"),
        (mute, "does not name"),
    ],
)
def test_pairing_names_the_mistake(wrong, reason):
    feedback = check_paired(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda a, v, s: (a == v).sum() * np.prod(s), "cubic millimetres"),
        (lambda a, v, s: (a == v).sum(), "number of voxels"),
        (lambda a, v, s: (a > 0).sum() * np.prod(s) / 1000, "every organ"),
        (lambda a, v, s: 0.0, "expected 0.96 ml"),
    ],
)
def test_millilitres_names_the_mistake(wrong, reason):
    feedback = check_millilitres(wrong)
    assert not feedback
    assert reason in feedback.message
