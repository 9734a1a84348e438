"""A volume says which of its slices shows all organs best."""

import numpy as np
import pytest

from guided_attention.data import Volume
from guided_attention.errors import DataError


def a_volume(*slices):
    labels = None if not slices else np.array(slices, np.uint8)[:, None]
    image = np.zeros((1, 1, 1) if labels is None else labels.shape, np.float32)
    return Volume(image, labels, (5.0, 1.0, 1.0), "7")


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([[1, 1, 1, 2, 0], [1, 1, 2, 2, 0], [1, 1, 1, 1, 1]], 1),  # 1 of 2, 2 of 2, none of 2
        ([[0, 0, 0], [0, 3, 0], [3, 3, 0]], 2),  # one organ only
        ([[4, 1, 2], [4, 1, 2]], 0),  # the first of equals
    ],
)
def test_the_smallest_organ_is_largest_in_the_fullest_slice(slices, expected):
    assert a_volume(*slices).fullest_slice() == expected


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ([], "subject '7': fullest_slice needs labels, found none"),
        ([[0, 0]], "a slice with all organs"),
        ([[1, 0], [2, 0]], r"classes \[1 2\], never together"),
    ],
)
def test_without_such_a_slice_it_says_why(slices, words):
    with pytest.raises(DataError, match=words):
        a_volume(*slices).fullest_slice()
