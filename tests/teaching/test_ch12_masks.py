"""The checkers of the chapter on masks accept the right answer and name each typical mistake."""

import numpy as np
import pytest
from scipy import ndimage

from guided_attention.teaching import check_edge_share, check_island_cost, check_keep_largest


def largest(mask, structure=None):
    parts, count = ndimage.label(mask, structure=structure)
    return parts == 1 + np.bincount(parts.ravel())[1:].argmax() if count else mask


def test_right_answers_pass():
    assert check_edge_share(lambda r, w: 1 - (max(r - w, 0) / r) ** 2)
    assert check_island_cost(lambda v, s, m, d: (2 * v / (2 * v + m), m * d / (2 * s + m)))
    assert check_keep_largest(largest)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda r, w: 1 - ((r - w) / r) ** 3, "ball"),
        (lambda r, w: ((r - w) / r) ** 2, "share inside"),
        (lambda r, w: 1 - ((r - w) / r) ** 2, "all edge"),
        (lambda r, w: 2 * w / r, "expected 0.129"),
    ],
)
def test_edge_share_names_the_mistake(wrong, reason):
    feedback = check_edge_share(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda v, s, m, d: (v / (v + m), m * d / (2 * s + m)), "intersection over union"),
        (lambda v, s, m, d: (2 * v / (2 * v + m), m * d / (s + m)), "pools both directions"),
        (lambda v, s, m, d: (2 * v / (2 * v + m), d), "maximum"),
        (lambda v, s, m, d: (1.0, 0.0), "expected (0.9969, 1.48)"),
    ],
)
def test_island_cost_names_the_mistake(wrong, reason):
    feedback = check_island_cost(wrong)
    assert not feedback
    assert reason in feedback.message


def change(mask):
    mask[:] = largest(mask)
    return mask


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda m: m, "still there"),
        (change, "changes the mask"),
        (lambda m: largest(m)[1], "shape"),
        (lambda m: ndimage.label(m)[0] == np.bincount(ndimage.label(m)[0].ravel()).argmax(), "background"),
        (lambda m: np.stack([largest(s) for s in m]), "label in 3-D"),
        (lambda m: m & False, "You kept 0 voxels"),
    ],
)
def test_keep_largest_names_the_mistake(wrong, reason):
    feedback = check_keep_largest(wrong)
    assert not feedback
    assert reason in feedback.message
