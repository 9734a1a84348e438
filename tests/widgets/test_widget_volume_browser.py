"""Volume browser without a browser: what is sent is exact where it says so, small, and fits together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from guided_attention.data import InputSettings, Volume
from guided_attention.errors import SettingsError
from guided_attention.evaluation.overlap import mean_surface_distance
from guided_attention.evaluation.predict import predict_volume
from guided_attention.models import build_model
from guided_attention.widgets import VolumeBrowser
from guided_attention.widgets.shared.inputs import grey_values
from guided_attention.widgets.shared.pack import unpack
from guided_attention.widgets.volume_data import pack_grey
from small_volumes import small_volume


def shifted(volume: Volume) -> np.ndarray:
    return np.roll(volume.labels, (1, 2), (1, 2))


def in_a_frame(volume: Volume, wide: int = 40) -> Volume:
    """The same body in the middle of a larger, empty matrix."""
    border = ((0, 0), (wide, wide), (wide, wide))
    image = np.pad(volume.image - volume.image.min(), border)
    return Volume(image, np.pad(volume.labels, border), volume.spacing, volume.subject)


def test_only_the_body_is_sent_and_no_organ_is_cut():
    volume = in_a_frame(small_volume("one"))
    prediction = np.zeros_like(volume.labels)
    prediction[2, 3, 5] = 4  # invented, far from the body
    sent = VolumeBrowser(volume, prediction).data
    assert sent["matrix"] == [112, 112]
    assert sent["shape"][1] < 112
    assert sent["corner"][0] == 0
    for key, whole in (("labels", volume.labels), ("prediction", prediction)):
        packed = unpack(sent[key])
        place = np.s_[:, sent["corner"][0] :, sent["corner"][1] :]
        np.testing.assert_array_equal(packed, whole[place][:, : packed.shape[1], : packed.shape[2]])
        assert (packed > 0).sum() == (whole > 0).sum()
    image = unpack(sent["phases"][0])
    expected = grey_values(volume.image)[place][:, : image.shape[1], : image.shape[2]]
    assert (sent["shrink"], sent["levels"]) == (1, 256)
    np.testing.assert_array_equal(image, expected)


def test_distances_are_those_of_the_metrics_in_mm():
    volume = small_volume("one")
    prediction = shifted(volume)
    prediction[prediction == 3] = 0
    sent = VolumeBrowser(volume, prediction).data["distances"]
    assert sent[0] is None
    for value in range(1, 5):
        expected = mean_surface_distance(prediction == value, volume.labels == value, volume.spacing)
        assert sent[value] == pytest.approx(expected)
    assert VolumeBrowser(volume).data["distances"] is None


def test_an_organ_in_neither_has_no_distance():
    volume = small_volume("one")
    labels = np.where(volume.labels == 2, 0, volume.labels).astype(np.uint8)
    assert VolumeBrowser(volume.with_labels(labels), labels).data["distances"][2] is None


def test_grey_values_get_coarser_until_they_fit():
    noise = np.random.default_rng(0).integers(0, 256, (6, 60, 70)).astype(np.uint8)
    fine = pack_grey([noise], 10**9)
    assert (fine["shrink"], fine["levels"]) == (1, 256)
    np.testing.assert_array_equal(unpack(fine["phases"][0]), noise)
    coarse = pack_grey([noise, noise], 30_000)
    assert coarse["shrink"] > 1
    shown = unpack(coarse["phases"][0]) * (255 / (coarse["levels"] - 1))
    assert shown.mean() == pytest.approx(noise.mean(), abs=4)
    assert unpack(coarse["phases"][0]).max() < coarse["levels"]


def test_a_large_noisy_volume_stays_small():
    rng = np.random.default_rng(0)
    image = rng.normal(100, 15, (30, 200, 200)).astype(np.float32)
    labels = np.zeros(image.shape, np.uint8)
    labels[:, 50:120, 40:90] = 1
    volume = Volume(image, labels, (5.0, 1.5, 1.5), "noise")
    assert len(VolumeBrowser(volume, labels, image[::-1]).to_html()) < 600_000


def test_any_network_of_the_package():
    torch.manual_seed(0)
    volume = small_volume("one")
    model = build_model("ms-dual", backbone="resnet18", channels=8, reduction=2)
    browser = VolumeBrowser.from_model(model, volume, InputSettings(32), slice=2)
    expected = predict_volume(model, volume, InputSettings(32))
    assert browser.slice == 2
    np.testing.assert_array_equal(unpack(browser.data["prediction"]), expected.labels)
    assert browser.data["distances"][1] == pytest.approx(
        mean_surface_distance(expected.labels == 1, volume.labels == 1, volume.spacing)
    )


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("predicted", [True, False])
def test_picture_and_words_with_and_without_masks(labelled, predicted):
    volume = small_volume("one")
    browser = VolumeBrowser(volume if labelled else volume.with_labels(None), shifted(volume) if predicted else None)
    figure = browser.picture()
    assert len(figure.axes) == (3 if labelled and predicted else 1)
    plt.close(figure)
    assert "patient's right is on the picture's left" in browser.alt
    if labelled and predicted:
        wrong = shifted(volume)[browser.slice] != volume.labels[browser.slice]
        missed = int((wrong & (volume.labels[browser.slice] > 0)).sum())
        assert f"{missed} pixels missed, {int(wrong.sum()) - missed} invented" in browser.alt


def test_it_starts_in_the_middle_of_the_slices_that_show_most_organs():
    volume = small_volume("one")
    labels = np.zeros_like(volume.labels)
    labels[0], labels[1:6, 2:4, 2:4], labels[1:4, 6:8, 6:8] = 1, 1, 2  # the largest organ fills the lowest slice
    assert VolumeBrowser(volume.with_labels(labels)).slice == 2
    assert VolumeBrowser(volume.with_labels(None), labels).slice == 2
    assert VolumeBrowser(volume.with_labels(None)).slice == 3
    assert VolumeBrowser(volume, slice=5).slice == 5


def test_questions_that_make_no_sense():
    volume = small_volume("one")
    with pytest.raises(SettingsError, match=r"prediction: expected \(6, 32, 32\), as the volume, found \(2, 2\)"):
        VolumeBrowser(volume, np.zeros((2, 2), np.uint8))
    with pytest.raises(SettingsError, match=r"prediction: expected .* found a volume without labels"):
        VolumeBrowser(volume, volume.with_labels(None))
    with pytest.raises(SettingsError, match="integers from 0 to 255, found float64"):
        VolumeBrowser(volume, np.zeros(volume.shape))
    with pytest.raises(SettingsError, match="out_phase: expected"):
        VolumeBrowser(volume, out_phase=volume.image[:2])
    with pytest.raises(SettingsError, match="slice=6: the volume has the slices 0 to 5"):
        VolumeBrowser(volume, slice=6)
