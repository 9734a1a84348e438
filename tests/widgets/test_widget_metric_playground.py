"""Metric playground without a browser: masks with known mistakes, the package's metrics, and clear questions."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

from guided_attention.errors import SettingsError
from guided_attention.evaluation.overlap import dice, maximum_surface_distance, mean_surface_distance, volume_similarity
from guided_attention.widgets import MetricPlayground
from guided_attention.widgets.metric_data import cut_off, elsewhere, far_away, grown, moved, speck
from guided_attention.widgets.shared.inputs import as_slice
from guided_attention.widgets.shared.pack import encode
from small_volumes import small_volume

RNG = np.random.default_rng(0)


def blob(size: int = 24) -> np.ndarray:
    rows, cols = np.ogrid[:size, :size]
    return (((rows - 9) / 6) ** 2 + ((cols - 11) / 4) ** 2 <= 1) & (RNG.random((size, size)) > 0.05)


@pytest.mark.parametrize("radius", [-3, -1, 0, 1, 2, 5])
def test_grown_is_a_disc_around_every_pixel(radius):
    mask = blob()
    spreads = mask if radius >= 0 else ~mask
    here, there = np.argwhere(np.ones_like(mask)), np.argwhere(spreads)
    near = ((here[:, None] - there[None]) ** 2).sum(-1).min(1).reshape(mask.shape) <= radius**2
    np.testing.assert_array_equal(grown(mask, radius), near if radius >= 0 else ~near)


def test_a_full_and_an_empty_mask_stay_what_they_are():
    for mask in (np.ones((5, 6), bool), np.zeros((5, 6), bool)):
        for radius in (-2, 2):
            np.testing.assert_array_equal(grown(mask, radius), mask)


def test_cut_off_leaves_the_upper_part():
    mask = blob()
    for percent in (0, 33, 100):
        left = np.flatnonzero(cut_off(mask, percent))
        np.testing.assert_array_equal(left, np.flatnonzero(mask)[: mask.sum() - mask.sum() * percent // 100])


def test_moved_loses_what_leaves_the_slice():
    mask = blob()
    np.testing.assert_array_equal(moved(mask, 2, -3), np.roll(mask, (2, -3), (0, 1)))
    assert moved(mask, 20, 0).sum() < mask.sum()
    assert not moved(mask, 0, 24).any()


def test_a_speck_is_round_and_may_be_cut_by_the_edge():
    whole = speck((20, 20), (10, 10), 13)
    assert whole.sum() == 13
    rows, cols = np.argwhere(whole).T
    assert max(np.hypot(rows - 10, cols - 10)) == 2
    assert speck((20, 20), (0, 0), 13).sum() < 13
    assert not speck((20, 20), (3, 3), 0).any()


def test_elsewhere_is_whole_and_beside_itself():
    mask = blob()
    there = moved(mask, *elsewhere(mask))
    assert there.sum() == mask.sum()
    assert not (there & mask).any()
    assert elsewhere(np.ones((4, 4), bool)) is None
    assert elsewhere(np.zeros((4, 4), bool)) is None


def test_far_away_is_inside_the_body():
    grey = np.zeros((60, 60), np.uint8)
    grey[10:50, 10:50] = 100
    mask = np.zeros((60, 60), bool)
    mask[15:20, 15:20] = True
    row, col = far_away(mask, grey)
    assert grey[row, col] == 100
    assert min(row, col) > 35
    assert far_away(mask, np.zeros_like(grey)) == (59, 59)


def test_scores_are_those_of_the_package():
    volume = small_volume("one")
    play = MetricPlayground(volume, organ="spleen", index=2, rows=1, cols=-2, grow=1, speck=9)
    reference = volume.labels[2] == 4
    np.testing.assert_array_equal(play.reference(), reference)
    pair = play.prediction()[None], reference[None]
    found = play.scores()
    assert found["dsc"] == dice(*pair)
    assert found["vs"] == volume_similarity(*pair)
    assert found["msd"] == mean_surface_distance(*pair)
    assert found["msd_mm"] == mean_surface_distance(*pair, volume.spacing)
    assert found["maximum_mm"] == maximum_surface_distance(*pair, volume.spacing)


def test_situations_show_what_they_say():
    play = MetricPlayground(small_volume("one"), organ=3)
    found = {}
    for one in next(o for o in play.data["organs"] if o["value"] == 3)["situations"]:
        for name, value in one["set"].items():
            setattr(play, name, value)
        found[one["name"]] = play.scores()
    assert found["Same mask"]["dsc"] == found["Same mask"]["vs"] == 1
    assert found["Same mask"]["maximum"] == 0
    assert found["One pixel too fat"]["dsc"] < 1
    assert found["One pixel too fat"]["maximum"] < 1.5
    assert (found["Same size elsewhere"]["dsc"], found["Same size elsewhere"]["vs"]) == (0, 1)
    assert found["A speck far away"]["maximum"] > 8
    assert found["A third missing"]["dsc"] == pytest.approx(found["A third missing"]["vs"])
    diagonal = np.hypot(*np.array((32, 32)) * 1.5)
    assert found["Missed"]["msd_mm"] == pytest.approx(np.hypot(diagonal, 8.0))
    assert all(np.isnan(value) for value in found["In neither"].values())


def test_a_slice_without_spacing_has_voxels_only():
    volume = small_volume("one")
    play = MetricPlayground(volume.image[2], volume.labels[2])
    assert play.data["spacing"] is None
    assert "msd_mm" not in play.scores()
    assert "pixels" in play.alt
    again = MetricPlayground(as_slice(volume, index=2))
    assert again.data["spacing"] == [1.0, 1.5, 1.5]


def test_it_starts_with_the_largest_organ_and_exactly():
    volume = small_volume("one")
    play = MetricPlayground(volume)
    sizes = [(as_slice(volume).labels == value).sum() for value in range(1, 5)]
    assert play.organ == int(np.argmax(sizes)) + 1
    assert play.scores()["dsc"] == 1


def test_picture_and_words():
    play = MetricPlayground(small_volume("one"), organ="kidney left", cols=4)
    figure = play.picture()
    assert "DSC" in figure.axes[0].get_title()
    plt.close(figure)
    assert "patient's right is on the picture's left" in play.alt
    assert "kidney left in white" in play.alt
    play.cut, play.absent = 100, True
    plt.close(play.picture())
    assert "DSC nan" in play.alt


def test_a_page_is_small():
    play = MetricPlayground(small_volume("one", slices=3, size=256))  # noise: nothing is larger
    assert len(encode(play.state())) < 90_000


def test_questions_that_make_no_sense():
    volume = small_volume("one")
    with pytest.raises(SettingsError, match="at least one organ"):
        MetricPlayground(volume.with_labels(None))
    with pytest.raises(SettingsError, match=r"organ=4 is not in this slice; it has \[1\]"):
        MetricPlayground(volume.image[2], np.ones((32, 32), np.uint8), organ=4)
    with pytest.raises(SettingsError, match="organ='heart' is unknown"):
        MetricPlayground(volume, organ="heart")
    play = MetricPlayground(volume)
    with pytest.raises(SettingsError, match="organ=9 is not in this slice"):
        play.organ = 9
