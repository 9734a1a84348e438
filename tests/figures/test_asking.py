"""The drawings of attention show the numbers that they are given."""

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt
from scipy.special import softmax

from guided_attention.figures import show_asking, show_map


@pytest.mark.parametrize("logits", [[0.1, 2.3, 1.4, -0.6], [1000.0, 1001.0]])
def test_bars_are_the_softmax_of_the_logits(logits):
    figure = show_asking(logits)
    (ax,) = figure.axes
    widths = np.array([bar.get_width() for container in ax.containers for bar in container])
    np.testing.assert_allclose(widths / widths.sum(), softmax(logits), rtol=1e-6)
    thick = [line.get_linewidth() for line in ax.lines]
    assert np.argmax(thick) == np.argmax(logits)
    assert {"ask", "match", "softmax", "fetch"} <= {text.get_text() for text in ax.texts}
    plt.close(figure)


def test_map_frames_the_column_that_asks():
    weights = softmax(np.random.default_rng(0).normal(size=(5, 5)), axis=0)
    figure, ax = plt.subplots()
    show_map(ax, weights, asking=3)
    np.testing.assert_array_equal(ax.images[0].get_array(), weights)
    (frame,) = ax.patches
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (2.5, -0.5, 1, 5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$j$ asks", "$i$ answers")
    assert ax.get_title() == "column 3 adds up to 1.00"
    plt.close(figure)
