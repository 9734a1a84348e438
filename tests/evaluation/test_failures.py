"""Every wrong voxel gets one kind; connected parts, distances and counts against hand-made volumes."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

mpl.use("Agg")

from guided_attention.data import LabelSet
from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation import failures
from guided_attention.evaluation.overlap import dice

CODE = {name: value for value, name in enumerate(failures.KINDS, start=1)}
VOLUMES = arrays(np.uint8, (3, 6, 6), elements=st.integers(0, 4))


def body() -> np.ndarray:
    """A liver of 13 x 13 pixels in slices 1 to 5, a right kidney, a left kidney."""
    ref = np.zeros((8, 40, 40), np.uint8)
    ref[1:6, 3:16, 3:16] = 1
    ref[2:5, 25:31, 3:9] = 2
    ref[2:5, 25:31, 25:31] = 3
    return ref


class TestKinds:
    def test_nothing_wrong_has_no_kind(self):
        assert not failures.classify_errors(body(), body()).any()

    @pytest.mark.parametrize(
        ("where", "value", "kind"),
        [
            (np.s_[3, 25:28, 25:28], 2, "sides"),
            (np.s_[3, 10:12, 10:12], 4, "neighbour"),
            (np.s_[3, 35:37, 35:37], 1, "island"),
            (np.s_[5, 3:16, 3:16], 0, "ends"),  # the liver's last slice missed
            (np.s_[6, 3:16, 3:16], 1, "ends"),  # and one slice too many
            (np.s_[3, 3:5, 3:16], 0, "edge"),  # two rows missing at the outline
            (np.s_[3, 16:18, 3:16], 1, "edge"),  # two rows too many
            (np.s_[3, 9:10, 9:10], 0, "deep"),  # a hole in the middle
            (np.s_[3, 18:19, 3:16], 1, "deep"),
        ],
    )
    def test_each(self, where, value, kind):
        ref = body()
        pred = ref.copy()
        if kind == "deep" and value == 1:
            pred[3, 16:18, 3:16] = 1  # what joins the third row to the liver
        pred[where] = value
        kinds = failures.classify_errors(pred, ref)
        assert (kinds[where] == CODE[kind]).all()

    def test_sides_are_the_pairs_of_the_label_set(self):
        lungs = LabelSet(("background", "trachea", "lung_left", "heart", "lung_right"))
        ref = np.full((1, 1, 3), 2, np.uint8)
        pred = np.array([[[4, 3, 1]]], np.uint8)
        kinds = failures.classify_errors(pred, ref, label_set=lungs)
        assert kinds.tolist() == [[[CODE["sides"], CODE["neighbour"], CODE["neighbour"]]]]
        with pytest.raises(DataError, match="classes 0 to 1"):
            failures.confusion(pred, ref, LabelSet(("background", "prostate")))

    @settings(max_examples=30, deadline=None)
    @given(VOLUMES, VOLUMES)
    def test_wrong_voxels_and_only_they_have_a_kind(self, pred, ref):
        np.testing.assert_array_equal(failures.classify_errors(pred, ref) > 0, pred != ref)

    def test_what_is_no_pair_of_volumes_is_refused(self):
        with pytest.raises(DataError, match="one shape"):
            failures.classify_errors(body(), body()[:2])
        with pytest.raises(DataError, match="classes 0 to 4"):
            failures.confusion(body() + 4, body())
        with pytest.raises(DataError, match="classes 0 to 4"):
            failures.confusion(body(), body().astype(float))


def test_distance_is_counted_from_the_other_side_slice_by_slice():
    mask = np.zeros((3, 1, 9), bool)
    mask[1, 0, 3:8] = True
    distance = failures.edge_distance(mask)
    np.testing.assert_array_equal(distance[1, 0], [3, 2, 1, 1, 2, 3, 2, 1, 1])
    assert np.isinf(distance[[0, 2]]).all()


class TestParts:
    def test_an_island_shares_no_voxel_with_the_organ(self):
        ref = body() == 1
        pred = ref.copy()
        pred[0, 2, 2] = True  # touches the organ by a corner
        pred[3, 35, 35] = True
        found = failures.islands(pred, ref)
        np.testing.assert_array_equal(np.argwhere(found), [[3, 35, 35]])

    def test_the_largest_part_of_every_organ_stays(self):
        labels = body()
        labels[0, 35:37, 35:37] = 1
        labels[7, 0, 0] = 4
        kept = failures.largest_components(labels)
        expected = body()
        expected[7, 0, 0] = 4
        np.testing.assert_array_equal(kept, expected)
        assert kept.dtype == labels.dtype
        assert labels[0, 35, 35] == 1


class TestCounts:
    @settings(max_examples=30, deadline=None)
    @given(VOLUMES, VOLUMES)
    def test_confusion_is_what_counting_pair_by_pair_gives(self, pred, ref):
        found = failures.confusion(pred, ref)
        expected = [[np.count_nonzero((ref == i) & (pred == j)) for j in range(5)] for i in range(5)]
        np.testing.assert_array_equal(found, expected)

    def test_parts_add_up_to_the_dice_of_the_whole(self):
        rng = np.random.default_rng(0)
        pred, ref = rng.random((12, 5, 5)) < 0.4, rng.random((12, 5, 5)) < 0.4
        ref[:3] = ref[10:] = False
        for bins in (1, 3, 5, 20):
            twice, sizes = failures.overlap_along(pred, ref, bins).sum(axis=0)
            assert twice / sizes == pytest.approx(dice(pred, ref))

    def test_the_lowest_slices_come_first(self):
        ref = np.zeros((10, 2, 2), bool)
        ref[2:6] = True
        pred = ref.copy()
        pred[2] = False
        np.testing.assert_array_equal(failures.overlap_along(pred, ref, 4), [[0, 4], [8, 8], [8, 8], [8, 8]])

    def test_what_cannot_be_divided_is_refused(self):
        full = np.ones((3, 2, 2), bool)
        with pytest.raises(SettingsError, match="bins"):
            failures.overlap_along(full, full, 0)
        with pytest.raises(DataError, match="no slice"):
            failures.overlap_along(full, ~full)


def test_errors_are_drawn_in_the_colour_of_their_kind():
    from matplotlib import pyplot as plt

    from guided_attention.figures import KIND_COLOURS, failure_legend, show_failures

    figure, ax = plt.subplots()
    kinds = np.zeros((4, 4), np.uint8)
    kinds[1, 2] = CODE["ends"]
    show_failures(ax, np.arange(16.0).reshape(4, 4), kinds, title="a slice")
    drawn = ax.images[-1]
    colour = drawn.cmap(drawn.norm(CODE["ends"]))
    assert mpl.colors.to_hex(colour).upper() == KIND_COLOURS["ends"]
    assert drawn.get_array().mask.sum() == 15
    assert [text.get_text() for text in failure_legend(figure).get_texts()] == [*failures.KINDS]
    plt.close(figure)
