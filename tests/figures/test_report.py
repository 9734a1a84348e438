"""Pictures of several networks: boxes, dots, curves and masks are read back from the axes."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt

from guided_attention.evaluation.calibration import Reliability
from guided_attention.figures import MaskRow, show_boxes, show_convergence, show_reliability, show_side_by_side

NAN = float("nan")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def dots(ax):
    return [line for line in ax.lines if line.get_marker() == "o"]


PANELS = {
    "DSC (%)": {"liver": {"A": [90, 92, 94], "B": [80, NAN, 70]}, "mean": {"A": [1, 2, 3], "B": [4, 5, 6]}},
    "MSD": {"liver": {"A": [0.5, 0.6, 0.7], "B": [1, 2, 3]}, "mean": {"A": [1, 2, 3], "B": [4, 5, 6]}},
}
CURVES = {"A": [[(1, 0.2), (2, 0.8), (3, 0.5)], [(1, 0.1), (2, NAN), (3, 0.3)]], "B": [[(1, 0.4)]], "C": [[]]}


class TestBoxes:
    def test_a_panel_for_each_metric_and_organ_a_box_for_each_network_a_dot_for_each_subject(self):
        figure = show_boxes(PANELS, "whose numbers")
        assert [ax.get_title() for ax in figure.axes] == ["liver", "mean", "liver", "mean"]
        assert [ax.get_xlabel() for ax in figure.axes] == ["DSC (%)", "DSC (%)", "MSD", "MSD"]
        first = figure.axes[0]
        assert [[*line.get_xdata()] for line in dots(first)] == [[90, 92, 94], [80, 70]]
        medians = [line for line in first.lines if line.get_color() == "#D55E00"]
        assert [line.get_xdata()[0] for line in medians] == [92, 75]
        assert [label.get_text() for label in first.get_yticklabels()] == ["A", "B"]
        assert figure.get_suptitle() == "whose numbers"

    def test_the_first_network_is_on_top(self):
        bottom, top = show_boxes(PANELS).axes[0].get_ylim()
        assert bottom > top


class TestConvergence:
    def test_own_curves_best_epochs_and_the_others_behind(self):
        figure = show_convergence(CURVES, "whose numbers", columns=2)
        a, b, c, empty = figure.axes
        own = [line for line in a.lines if line.get_color() == "#0072B2"]
        assert [[*line.get_xdata()] for line in own] == [[1, 2, 3], [1, 3]]
        assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots(a)] == [(2, 0.8), (3, 0.3)]
        assert a.get_title() == "A\nbest epoch 2, 3"
        assert "unknown" in c.get_title()
        others = [line for line in b.lines if line.get_color() == "0.82"]
        assert len(others) == 3
        assert not empty.axison
        assert (figure.get_supxlabel(), figure.get_supylabel()) == ("epoch", "validation DSC")


class TestReliability:
    def test_only_bins_with_voxels_are_drawn(self):
        bins = Reliability((0,) * 13 + (30, 70), (NAN,) * 13 + (0.9, 1.0), (NAN,) * 13 + (0.5, 0.9))
        figure = show_reliability({"A": bins, "B": bins}, columns=2)
        ax = figure.axes[0]
        np.testing.assert_allclose(ax.collections[0].get_offsets(), [(0.9, 0.5), (1.0, 0.9)])
        small, large = ax.collections[0].get_sizes()
        assert large > small
        assert ax.get_title() == "A\nECE 19.0 points"
        diagonal = ax.lines[0]
        np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())


class TestSideBySide:
    @pytest.fixture
    def row(self):
        image = np.random.default_rng(0).uniform(size=(64, 80)).astype(np.float32)
        reference = np.zeros((64, 80), np.uint8)
        reference[20:30, 30:50] = 1
        shifted = np.roll(reference, 2, axis=1)
        return MaskRow("s1, slice 3", image, reference, {"A": reference, "B": shifted})

    def test_the_reference_comes_first_and_every_network_says_how_much_it_differs(self, row):
        figure = show_side_by_side([row, row], "whose masks", columns=2)
        titles = [ax.get_title() for ax in figure.axes if ax.axison]
        assert titles[:3] == ["reference\ns1, slice 3", "A\n0 px differ", "B\n40 px differ"]
        assert len(titles) == 6
        assert sum(not ax.axison for ax in figure.axes) == 2

    def test_masks_are_where_they_belong_and_sides_are_named(self, row):
        reference, _, other = show_side_by_side([row], columns=3).axes
        whole = row.image[8:42, 18:64]  # organs of all masks, and 12 pixels around
        for ax, mask in ((reference, row.reference), (other, row.masks["B"])):
            np.testing.assert_array_equal(ax.images[0].get_array(), whole)
            np.testing.assert_array_equal(~ax.images[1].get_array().mask, mask[8:42, 18:64] == 1)
            places = {text.get_text(): text.get_position()[0] for text in ax.texts}
            assert places["R"] < places["L"]
            bottom, top = ax.get_ylim()
            assert bottom > top  # row 0, the front of the body, is on top

    def test_a_slice_without_organs_is_shown_whole(self, row):
        nothing = np.zeros_like(row.reference)
        figure = show_side_by_side([MaskRow("x", row.image, nothing, {"A": nothing})])
        assert figure.axes[0].images[0].get_array().shape == (64, 80)
