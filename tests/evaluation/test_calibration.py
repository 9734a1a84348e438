"""Confidence against accuracy: bins, pooling and the expected calibration error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from guided_attention.errors import DataError
from guided_attention.evaluation.calibration import BINS, expected_calibration_error, pool_reliability, reliability


def test_bins_by_hand():
    bins = reliability(np.array([[1.0, 0.98], [0.5, 0.2]]), np.array([[True, False], [True, False]]))
    assert bins.count[-1] == 2
    assert bins.confidence[-1] == pytest.approx(0.99)
    assert bins.accuracy[-1] == 0.5
    assert bins.count[7] == 1  # 0.5 lies in (7/15, 8/15]
    assert bins.count[2] == 1  # and 1/5 = 3/15 at the upper edge of the third
    assert sum(bins.count) == 4
    assert math.isnan(bins.accuracy[0])
    assert expected_calibration_error(bins) == pytest.approx((2 * 0.49 + 0.5 + 0.2) / 4)


def test_agrees_with_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randn(5000, 5, generator=generator, dtype=torch.float64).mul(2).softmax(1)
    target = torch.randint(0, 5, (5000,), generator=generator)
    wanted = multiclass_calibration_error(probabilities, target, num_classes=5, n_bins=BINS, norm="l1")
    confidence, chosen = probabilities.max(1)
    found = expected_calibration_error(reliability(confidence.numpy(), (chosen == target).numpy()))
    assert found == pytest.approx(float(wanted), abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(0, 60))
def test_pooling_parts_is_binning_the_whole(pairs, cut):
    confidence, correct = np.array([p for p, _ in pairs]), np.array([c for _, c in pairs])
    parts = [reliability(confidence[part], correct[part]) for part in (slice(cut), slice(cut, None))]
    pooled, whole = pool_reliability(parts), reliability(confidence, correct)
    assert pooled.count == whole.count
    np.testing.assert_allclose(pooled.confidence, whole.confidence, rtol=1e-9)
    np.testing.assert_allclose(pooled.accuracy, whole.accuracy, rtol=1e-9, atol=1e-12)


def test_a_perfect_network_has_no_error_and_no_voxels_have_none_to_speak_of():
    assert expected_calibration_error(reliability(np.ones(10), np.ones(10, bool))) == 0
    assert math.isnan(expected_calibration_error(reliability(np.array([]), np.array([], bool))))


def test_errors_name_what_is_wrong():
    with pytest.raises(DataError, match="each of 2 voxels, found 3"):
        reliability(np.ones(2), np.ones(3, bool))
    with pytest.raises(DataError, match="0 to 1"):
        reliability(np.array([1.5]), np.array([True]))
    with pytest.raises(DataError, match="at least one"):
        pool_reliability([])
