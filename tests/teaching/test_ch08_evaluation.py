"""The checkers of the evaluation chapter accept the right answer and name each typical mistake."""

import numpy as np
import pytest

from guided_attention.teaching import check_dice, check_msd_both, check_shell_dice


def right_dice(pred, ref):
    total = pred.sum() + ref.sum()
    return 2 * (pred & ref).sum() / total if total else float("nan")


def test_right_answers_pass():
    assert check_dice(right_dice)
    assert check_shell_dice(lambda r, t: 2 * (r - t) ** 3 / (r**3 + (r - t) ** 3))
    assert check_msd_both(lambda dz: (dz, 7.7 * dz))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda p, r: (p & r).sum() / max((p | r).sum(), 1), "Jaccard"),
        (lambda p, r: (p & r).sum() / max(p.sum() + r.sum(), 1), "counts the common voxels twice"),
        (lambda p, r: (p == r).mean(), "16 and 8 voxels"),
        (lambda p, r: 2 * (p & r).sum() / (p.sum() + r.sum()) if p.any() else 1.0, "missed"),
        (lambda p, r: 2 * (p & r).sum() / max(p.sum() + r.sum(), 1), "neither a success nor a failure"),
    ],
)
def test_dice_names_the_mistake(wrong, reason):
    feedback = check_dice(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda r, t: 2 * (r - t) ** 2 / (r**2 + (r - t) ** 2), "discs"),
        (lambda r, t: (r - t) ** 3 / r**3, "sensitivity"),
        (lambda r, t: 0.939, "expected"),
    ],
)
def test_shell_names_the_mistake(wrong, reason):
    feedback = check_shell_dice(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda dz: (dz, 1.25 * dz), "size of a pixel"),
        (lambda dz: (7.7 * dz, 7.7 * dz), "first number is in voxels"),
        (lambda dz: (np.float64(1), 7.7), "msd_both(3)"),
    ],
)
def test_millimetres_name_the_mistake(wrong, reason):
    feedback = check_msd_both(wrong)
    assert not feedback
    assert reason in feedback.message
