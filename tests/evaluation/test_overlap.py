"""Metrics against their definitions written out, and against shapes small enough to count by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.challenge import chaos_metric_scores, chaos_score
from guided_attention.evaluation.overlap import (
    average_symmetric_surface_distance,
    dice,
    directed_surface_distances,
    hausdorff_distance_95,
    maximum_surface_distance,
    mean_surface_distance,
    normalised_surface_dice,
    relative_absolute_volume_difference,
    volume_similarity,
)
from guided_attention.evaluation.surfaces import surface

OVERLAP = (dice, volume_similarity, relative_absolute_volume_difference)
STRICT = (mean_surface_distance, average_symmetric_surface_distance, maximum_surface_distance)
DISTANCES = (*STRICT, hausdorff_distance_95)
SPACINGS = st.tuples(*[st.floats(0.2, 9.0)] * 3)
quick = settings(deadline=None, max_examples=40)


@st.composite
def pairs(draw, low=1, high=5):
    shape = draw(st.tuples(*[st.integers(low, high)] * 3))
    fill = st.floats(0.05, 0.95)
    masks = []
    for _ in range(2):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        masks.append(rng.random(shape) < draw(fill))
    return masks


def box(shape, *sides):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


# --- the definitions, in loops over Python sets
# --------------------------------------------------------------------


def voxels(mask):
    return {tuple(int(i) for i in v) for v in np.argwhere(mask)}


def surface_in_words(mask):
    """Voxels with a face neighbour that is inside the volume and outside the mask."""
    inside = voxels(mask)
    found = set()
    for voxel in inside:
        for axis, step in itertools.product(range(3), (-1, 1)):
            other = list(voxel)
            other[axis] += step
            if 0 <= other[axis] < mask.shape[axis] and tuple(other) not in inside:
                found.add(voxel)
    return found


def distances_in_words(source, target, spacing):
    return [
        min(math.sqrt(sum(((i - j) * s) ** 2 for i, j, s in zip(a, b, spacing, strict=True))) for b in target)
        for a in source
    ]


def percentile_in_words(values, percent):
    """Between the two values around the place, as far as the place lies between theirs."""
    values = sorted(values)
    place = percent / 100 * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


@quick
@given(pairs(), SPACINGS)
def test_every_metric_is_its_definition(masks, spacing):
    pred, ref = masks
    a, b = voxels(pred), voxels(ref)
    assume(a and b)
    assert dice(pred, ref) == pytest.approx(2 * len(a & b) / (len(a) + len(b)))
    assert volume_similarity(pred, ref) == pytest.approx(1 - abs(len(a) - len(b)) / (len(a) + len(b)))
    assert relative_absolute_volume_difference(pred, ref) == pytest.approx(abs(len(a) - len(b)) / len(b) * 100)
    sa, sb = surface_in_words(pred), surface_in_words(ref)
    assume(sa and sb)
    there, back = distances_in_words(sa, sb, spacing), distances_in_words(sb, sa, spacing)
    msd = (sum(there) + sum(back)) / (len(sa) + len(sb))
    assd = (sum(there) / len(sa) + sum(back) / len(sb)) / 2
    assert mean_surface_distance(pred, ref, spacing) == pytest.approx(msd, rel=1e-9)
    assert average_symmetric_surface_distance(pred, ref, spacing) == pytest.approx(assd, rel=1e-9)
    assert maximum_surface_distance(pred, ref, spacing) == pytest.approx(max(there + back), rel=1e-9)
    robust = max(percentile_in_words(there, 95), percentile_in_words(back, 95))
    assert hausdorff_distance_95(pred, ref, spacing) == pytest.approx(robust, rel=1e-9)
    for tolerance in (0.0, robust / 2, max(there)):
        near = sum(d <= tolerance * (1 + 1e-9) for d in there + back)
        found = normalised_surface_dice(pred, ref, tolerance, spacing)
        assert found == pytest.approx(near / (len(sa) + len(sb)), rel=1e-9)


@quick
@given(pairs())
def test_surface_is_its_definition(masks):
    assert voxels(surface(masks[0])) == surface_in_words(masks[0])


# --- counted by hand
# -----------------------------------------------------------------------------------------------


def test_two_voxels_are_a_right_triangle_apart():
    a, b = box((3, 8, 8), (1, 2), (1, 2), (1, 2)), box((3, 8, 8), (1, 2), (4, 5), (5, 6))
    for metric in DISTANCES:
        assert metric(a, b) == 5.0
        assert metric(a, b, (7.7, 2.0, 1.5)) == pytest.approx(math.hypot(6.0, 6.0))
    assert dice(a, b) == 0.0
    assert volume_similarity(a, b) == 1.0


def test_cube_moved_by_one_voxel():
    # 26 of the 27 voxels are surface. Leaving face: 9 voxels at distance 1. Far face: only its middle voxel
    # lies over the other cube's inner voxel, distance 1. So 10 per direction.
    a, b = box((7, 7, 7), (2, 5), (2, 5), (1, 4)), box((7, 7, 7), (2, 5), (2, 5), (2, 5))
    assert surface(a).sum() == 26
    assert mean_surface_distance(a, b) == pytest.approx(20 / 52)
    assert maximum_surface_distance(a, b) == 1.0
    assert dice(a, b) == pytest.approx(2 * 18 / 54)
    # Only steps along x have length 1 there; the middle voxel's way to its own plane's ring is 1 along y, which
    # is now shorter.
    assert mean_surface_distance(a, b, (9.0, 0.5, 3.0)) == pytest.approx(2 * (9 * 3.0 + 0.5) / 52)


def test_pooled_mean_and_mean_of_means_differ_when_surfaces_do():
    dot, line = box((3, 3, 6), (1, 2), (1, 2), (1, 2)), box((3, 3, 6), (1, 2), (1, 2), (1, 4))
    there, back = directed_surface_distances(dot, line)
    assert sorted(there) == [0]
    assert sorted(back) == [0, 1, 2]
    assert mean_surface_distance(dot, line) == 3 / 4
    assert average_symmetric_surface_distance(dot, line) == (0 + 1) / 2


def test_plain_norm_not_the_printed_square():
    a, b = box((1, 1, 9), (0, 1), (0, 1), (1, 2)), box((1, 1, 9), (0, 1), (0, 1), (5, 6))
    assert mean_surface_distance(a, b) == 4.0


def test_edge_of_the_volume_is_not_outside():
    slab, thicker = box((6, 5, 5), (0, 2), (0, 5), (0, 5)), box((6, 5, 5), (0, 3), (0, 5), (0, 5))
    assert voxels(surface(slab)) == {(1, y, x) for y in range(5) for x in range(5)}
    assert mean_surface_distance(slab, thicker) == 1.0


def test_volume_difference_is_measured_against_the_reference():
    small, large = box((4, 4, 4), (0, 1), (0, 2), (0, 2)), box((4, 4, 4), (0, 2), (0, 2), (0, 3))
    assert relative_absolute_volume_difference(large, small) == 200.0
    assert relative_absolute_volume_difference(small, large) == pytest.approx(100 * 8 / 12)


# --- shapes whose distances are known, measured in millimetres with anisotropic voxels
# -----------------------------------------------------------------------------------------------

MM = (6.0, 1.5, 2.0)


def test_box_in_a_box():
    # 6 mm of margin all around: 1 slice, 4 rows, 3 columns. Every voxel of the inner surface is 6 mm from a face.
    inner, outer = box((9, 30, 30), (3, 6), (10, 20), (9, 19)), box((9, 30, 30), (2, 7), (6, 24), (6, 22))
    there, back = directed_surface_distances(inner, outer, MM)
    assert len(there) == 3 * 10 * 10 - 1 * 8 * 8
    assert len(back) == 5 * 18 * 16 - 3 * 16 * 14
    np.testing.assert_allclose(there, 6.0)
    # Of the outer surface only the voxels over the inner box's faces are 6 mm away: two faces along each axis.
    over = 2 * (10 * 10 + 3 * 10 + 3 * 10)
    share = (len(there) + over) / (len(there) + len(back))
    assert normalised_surface_dice(inner, outer, 6.0, MM) == pytest.approx(share)
    assert normalised_surface_dice(inner, outer, 5.99, MM) == 0.0
    assert normalised_surface_dice(inner, outer, 6 * math.sqrt(3), MM) == 1.0
    assert maximum_surface_distance(inner, outer, MM) == pytest.approx(6 * math.sqrt(3))
    # 8 corners of 6 sqrt(3) mm are fewer than a twentieth; so are they with what is left of the edges' 6 sqrt(2).
    assert 6 * math.sqrt(2) <= hausdorff_distance_95(inner, outer, MM) < 6 * math.sqrt(3)


def test_ball_in_a_ball():
    # Radii 18 and 26 mm; a surface voxel lies at most one voxel's diagonal within its sphere.
    grid = np.indices((13, 50, 40))
    from_centre = np.sqrt(sum(((g - n // 2) * s) ** 2 for g, n, s in zip(grid, grid.shape[1:], MM, strict=True)))
    inner, outer = from_centre <= 18, from_centre <= 26
    voxel = math.hypot(*MM)
    for metric in DISTANCES:
        assert metric(inner, outer, MM) == pytest.approx(8, abs=voxel)
    assert mean_surface_distance(inner, outer, MM) == pytest.approx(8, abs=voxel / 3)
    assert normalised_surface_dice(inner, outer, 8 + voxel, MM) == 1.0
    assert normalised_surface_dice(inner, outer, 8 - voxel, MM) == 0.0


def test_one_far_voxel_moves_the_maximum_and_not_the_95th_percentile():
    organ = box((9, 40, 40), (2, 7), (5, 20), (5, 20))
    stray = organ | box(organ.shape, (4, 5), (35, 36), (35, 36))
    assert maximum_surface_distance(stray, organ) > 20
    assert hausdorff_distance_95(stray, organ) == 0.0
    n = int(surface(organ).sum())
    assert normalised_surface_dice(stray, organ, 1.0) == pytest.approx(2 * n / (2 * n + 1))


def test_a_surface_as_far_as_the_tolerance_counts_however_it_is_rounded():
    a, b = box((1, 1, 9), (0, 1), (0, 1), (1, 2)), box((1, 1, 9), (0, 1), (0, 1), (4, 5))
    assert normalised_surface_dice(a, b, 0.3, (0.1, 0.1, 0.1)) == 1.0  # 3 * 0.1 > 0.3 in binary numbers
    assert normalised_surface_dice(a, b, 0.299, (0.1, 0.1, 0.1)) == 0.0


@pytest.mark.parametrize("tolerance", [-1.0, float("nan")])
def test_bad_tolerance_is_named(tolerance):
    with pytest.raises(SettingsError, match="tolerance: expected 0 or more"):
        normalised_surface_dice(SOMETHING, SOMETHING, tolerance)


# --- properties
# ----------------------------------------------------------------------------------------------------


@quick
@given(pairs(), SPACINGS)
def test_symmetric_and_in_range(masks, spacing):
    a, b = masks
    assume(a.any() or b.any())
    for metric in (dice, volume_similarity):
        assert metric(a, b) == metric(b, a)
        assert 0 <= metric(a, b) <= 1
    diagonal = np.linalg.norm(np.multiply(a.shape, spacing))
    for metric in DISTANCES:
        assert metric(a, b, spacing) == pytest.approx(metric(b, a, spacing))
        assert 0 <= metric(a, b, spacing) <= diagonal * (1 + 1e-12)


@quick
@given(pairs(low=2))
def test_no_distance_means_the_same_surface(masks):
    a, b = masks
    assume(a.any() and b.any())
    same = np.array_equal(surface(a), surface(b)) and a.all() == b.all()
    for metric in STRICT:
        assert metric(a, a) == 0.0
        assert (metric(a, b) == 0.0) == same


@quick
@given(pairs(), st.tuples(*[st.integers(1, 4)] * 3), SPACINGS)
def test_moving_both_masks_changes_nothing(masks, shift, spacing):
    around = [np.pad(mask, 5) for mask in masks]
    assume(masks[0].any() and masks[1].any())
    moved = [np.roll(mask, shift, axis=(0, 1, 2)) for mask in around]
    for metric in DISTANCES:
        assert metric(*moved, spacing) == pytest.approx(metric(*around, spacing))
    for metric in OVERLAP:
        assert metric(*moved) == metric(*around)


@quick
@given(pairs(), SPACINGS, st.floats(0.1, 20))
def test_distances_scale_with_the_spacing(masks, spacing, factor):
    assume(masks[0].any() or masks[1].any())
    for metric in DISTANCES:
        scaled = metric(*masks, tuple(factor * s for s in spacing))
        assert scaled == pytest.approx(factor * metric(*masks, spacing))


@quick
@given(pairs(), SPACINGS, st.permutations(range(3)))
def test_axes_may_change_places_with_their_spacing(masks, spacing, order):
    assume(masks[0].any() or masks[1].any())
    turned = [mask.transpose(order) for mask in masks]
    for metric in DISTANCES:
        assert metric(*turned, tuple(spacing[i] for i in order)) == pytest.approx(metric(*masks, spacing))


# --- absent organs
# -------------------------------------------------------------------------------------------------

NOTHING = np.zeros((4, 5, 6), bool)
SOMETHING = box((4, 5, 6), (1, 3), (1, 4), (2, 5))
EVERYTHING = np.ones((4, 5, 6), bool)


def test_absent_from_both_is_not_a_number():
    for metric in OVERLAP + DISTANCES:
        assert math.isnan(metric(NOTHING, NOTHING))
    assert all(side.size == 0 for side in directed_surface_distances(NOTHING, NOTHING))


@pytest.mark.parametrize("present", [SOMETHING, EVERYTHING], ids=["part", "everything"])
@pytest.mark.parametrize("missed", [True, False], ids=["missed", "invented"])
def test_absent_from_one_is_the_worst_value(present, missed):
    pred, ref = (NOTHING, present) if missed else (present, NOTHING)
    assert dice(pred, ref) == 0.0
    assert volume_similarity(pred, ref) == 0.0
    assert relative_absolute_volume_difference(pred, ref) == 100.0
    for metric in DISTANCES:
        assert metric(pred, ref) == pytest.approx(math.sqrt(4**2 + 5**2 + 6**2))
        assert metric(pred, ref, (7.0, 2.0, 0.5)) == pytest.approx(math.sqrt(28**2 + 10**2 + 3**2))


@pytest.mark.parametrize("tolerance", [0.0, 3.0, 1000.0])
def test_surface_dice_where_there_is_no_surface(tolerance):
    def nsd(pred, ref):
        return normalised_surface_dice(pred, ref, tolerance)

    assert math.isnan(nsd(NOTHING, NOTHING))
    for other in (SOMETHING, EVERYTHING):
        assert nsd(NOTHING, other) == nsd(other, NOTHING) == 0.0  # even where the tolerance exceeds the diagonal
        assert nsd(other, other) == 1.0
    assert nsd(EVERYTHING, SOMETHING) == 0.0


def test_missing_an_organ_is_worse_than_the_worst_attempt():
    shape, spacing = (4, 5, 6), (7.7, 1.25, 1.25)
    corner, opposite = box(shape, (0, 1), (0, 1), (0, 1)), box(shape, (3, 4), (4, 5), (5, 6))
    for metric in DISTANCES:
        assert metric(np.zeros(shape, bool), corner, spacing) > metric(opposite, corner, spacing)


def test_mask_without_a_surface():
    for metric in DISTANCES:
        assert metric(EVERYTHING, EVERYTHING) == 0.0
        assert metric(EVERYTHING, SOMETHING) == pytest.approx(math.sqrt(77))


# --- bad input
# -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", OVERLAP + DISTANCES)
def test_bad_masks_are_named(metric):
    with pytest.raises(DataError, match=r"pred: expected a boolean mask, found uint8"):
        metric(SOMETHING.astype(np.uint8), SOMETHING)
    with pytest.raises(DataError, match=r"ref: .*\(D, H, W\), found shape \(5, 6\)"):
        metric(SOMETHING, SOMETHING[0])
    with pytest.raises(DataError, match=r"same shape, found \(4, 5, 6\) and \(3, 5, 6\)"):
        metric(SOMETHING, SOMETHING[1:])
    with pytest.raises(DataError, match=r"found shape \(0, 5, 6\)"):
        metric(SOMETHING[:0], SOMETHING[:0])


@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, -1, 1), (1, float("nan"), 1), 2.0])
@pytest.mark.parametrize("metric", DISTANCES)
def test_bad_spacing_is_named(metric, spacing):
    with pytest.raises(SettingsError, match="spacing: expected three positive numbers"):
        metric(SOMETHING, SOMETHING, spacing)


# --- the CHAOS score
# -----------------------------------------------------------------------------------------------


def test_chaos_score_of_values_worked_out_by_hand():
    assert chaos_score(1.0, 0.0, 0.0, 0.0) == 100.0
    by_hand = {"dice": 95, "ravd": 80, "assd": 90, "mssd": 65}
    assert chaos_metric_scores(0.95, 1.0, 1.5, 21.0) == pytest.approx(by_hand)
    assert chaos_score(0.95, 1.0, 1.5, 21.0) == pytest.approx((95 + 80 + 90 + 65) / 4)


def test_chaos_score_gives_nothing_outside_the_limits():
    assert chaos_metric_scores(0.8, 5.0, 15.0, 60.0) == {"dice": 0, "ravd": 0, "assd": 0, "mssd": 0}
    assert chaos_metric_scores(0.1, 300.0, 99.0, 400.0) == {"dice": 0, "ravd": 0, "assd": 0, "mssd": 0}
    assert chaos_metric_scores(0.801, 4.9, 14.9, 59.9)["dice"] == pytest.approx(80.1)


@given(st.floats(0, 1), *[st.floats(0, 1e3)] * 3)
def test_chaos_score_is_between_0_and_100(d, r, a, m):
    assert 0 <= chaos_score(d, r, a, m) <= 100


def test_chaos_score_of_an_organ_absent_from_both_is_not_a_number():
    nan = float("nan")
    assert math.isnan(chaos_score(nan, nan, nan, nan))


def test_masks_of_any_memory_layout():
    rng = np.random.default_rng(3)
    pred, ref = rng.random((2, 6, 7, 8)) < 0.4
    for metric in OVERLAP + DISTANCES:
        assert metric(np.asfortranarray(pred), ref[:, ::-1][:, ::-1]) == metric(pred, ref)


@quick
@given(hnp.arrays(bool, (3, 4, 5)))
def test_inputs_are_left_alone(mask):
    before = mask.copy()
    for metric in OVERLAP + DISTANCES:
        metric(mask, ~mask)
    assert np.array_equal(mask, before)
