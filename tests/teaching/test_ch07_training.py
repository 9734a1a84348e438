"""The checkers of the training chapter accept the right answer and name each typical mistake."""

import math

import pytest

from guided_attention.teaching import check_first_loss, check_patient_rate, check_weight_for_sum


def halving(dices, patience, *, late=0, equal_is_better=False, forget_best=False, no_restart=False):
    value, best, waited = 1e-3, -math.inf, 0
    for dice in dices:
        better = dice >= best if equal_is_better else dice > best
        best, waited = (dice, 0) if better else (dice if forget_best else best, waited + 1)
        if waited == patience + late:
            value, waited = value / 2, waited if no_restart else 0
        elif no_restart and waited > patience:
            value /= 2
    return value


def test_right_answers_pass():
    assert check_first_loss(lambda k, n: n * math.log(k))
    assert check_weight_for_sum(lambda g, c, h, w: g / (c * h * w))
    assert check_patient_rate(halving)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda k, n: math.log(k), "adds up all"),
        (lambda k, n: n * math.log2(k), "bits"),
        (lambda k, n: k * math.log(n), "changed places"),
        (lambda k, n: 8 * math.log(5), "5 classes and 8 predictions only"),
        (lambda k, n: 0.0, "how often is it paid"),
    ],
)
def test_first_loss_names_the_mistake(wrong, reason):
    feedback = check_first_loss(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda g, c, h, w: g / (h * w), "positions only"),
        (lambda g, c, h, w: g * c * h * w, "multiplied"),
        (lambda g, c, h, w: 1 / (c * h * w), "gamma"),
        (lambda g, c, h, w: g, "what is n"),
    ],
)
def test_weight_for_sum_names_the_mistake(wrong, reason):
    feedback = check_weight_for_sum(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [
        ({"late": 1}, "not one later"),
        ({"equal_is_better": True}, "Equal is not better"),
        ({"forget_best": True}, "not better than the best"),
        ({"no_restart": True}, "begins anew"),
    ],
)
def test_patient_rate_names_the_mistake(mistake, reason):
    feedback = check_patient_rate(lambda dices, patience: halving(dices, patience, **mistake))
    assert not feedback
    assert reason in feedback.message
    assert repr(feedback).startswith("✗")
