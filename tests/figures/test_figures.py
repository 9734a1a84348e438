"""The pictures show what they are given: pixels, colours and numbers are read back from the axes."""

import matplotlib as mpl
import numpy as np
import pytest

from small_volumes import small_volume

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from guided_attention.evaluation.scores import evaluate_subject
from guided_attention.figures import (
    ORGAN_COLOURS,
    organ_legend,
    show_attention,
    show_curves,
    show_errors,
    show_network,
    show_scale,
    show_scores,
    show_slice,
)


@pytest.fixture
def axes():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture
def volume():
    return small_volume("a", 1)


def letters(ax):
    return {text.get_text(): text.get_position()[0] for text in ax.texts}


def test_slice_says_which_side_is_which(axes, volume):
    show_slice(axes, volume.image[2], volume.labels[2], title="slice 2")
    assert letters(axes)["R"] < 0.5 < letters(axes)["L"]
    top, bottom = sorted(axes.get_ylim(), reverse=True)
    assert axes.get_ylim() == (top, bottom)  # row 0 is on top
    np.testing.assert_array_equal(axes.images[0].get_array(), volume.image[2])


def test_organs_have_their_own_colours(axes, volume):
    show_slice(axes, volume.image[2], volume.labels[2])
    drawn = {tuple(np.round(c.get_edgecolor()[0][:3], 3)) for c in axes.collections}
    assert drawn == {tuple(np.round(to_rgb(colour), 3)) for colour in ORGAN_COLOURS.values()}


def test_errors_are_the_pixels_that_differ(axes, volume):
    reference = volume.labels[2]
    prediction = reference.copy()
    prediction[reference == 1] = 0  # missed
    prediction[0, :5] = 2  # invented
    show_errors(axes, volume.image[2], prediction, reference)
    missed, invented = (image.get_array() for image in axes.images[1:])
    np.testing.assert_array_equal(~missed.mask, reference == 1)
    assert (~invented.mask).sum() == 5


def test_attention_is_in_units_of_uniform_attention(axes, volume):
    weights = np.full((4, 4), 1 / 16)
    drawn = show_attention(axes, volume.image[2], weights, at=(7, 9))
    np.testing.assert_allclose(drawn.get_array(), 1)
    marker = axes.lines[0]
    assert (marker.get_xdata()[0], marker.get_ydata()[0]) == (9, 7)
    assert drawn.get_extent() == [-0.5, 31.5, 31.5, -0.5]


def test_curves_show_every_epoch():
    history = [
        {"epoch": e, "segmentation": 1 / e, "guided": 0.0, "reconstruction": 0.1, "dice": 0.1 * e, "dice_liver": 0.2}
        for e in (1, 2, 3)
    ]
    figure = show_curves(history)
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["segmentation", "reconstruction"]
    mean = next(line for line in right.lines if line.get_label() == "mean")
    np.testing.assert_allclose(mean.get_ydata(), [0.1, 0.2, 0.3])
    plt.close(figure)


def test_every_subject_is_a_dot_and_an_undefined_score_is_none(volume):
    other = small_volume("b", 2)
    other.labels[other.labels == 4] = 0
    figure = show_scores([evaluate_subject(v, v) for v in (volume, other)], metrics=("dsc",))
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [len(line.get_ydata()) for line in dots] == [2, 2, 2, 1]
    legend = organ_legend(figure, errors=True)
    assert [text.get_text() for text in legend.get_texts()][-2:] == ["missed", "invented"]
    plt.close(figure)


def test_diagrams_name_every_part_of_the_network():
    network, scale = show_network(), show_scale()
    words = {text.get_text() for text in network.axes[0].texts}
    assert {f"Res-{s}" for s in (2, 3, 4, 5)} | {f"attention {s}" for s in range(4)} | {"$F_{MS}$"} <= words
    words = {text.get_text() for text in scale.axes[0].texts}
    assert {"$E_1$", "$D_1$", "$E_2$", "$D_2$", "$g_1$", "$g_2$", "$A^{(1)}$", "$A_s$"} <= words
    plt.close("all")
