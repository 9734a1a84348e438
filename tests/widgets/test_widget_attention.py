"""The two attention explorers without a browser: rows, summaries, slices, and questions that make no sense."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn

from guided_attention.data import InputSettings, Volume, fit_in_plane, normalise
from guided_attention.errors import SettingsError
from guided_attention.models import PositionMaps, attention_of, build_model, capture_features
from guided_attention.models.attention import ChannelAttention, PositionAttention
from guided_attention.widgets import ChannelExplorer, PositionExplorer
from guided_attention.widgets.shared.inputs import as_slice, class_list, grey_values
from guided_attention.widgets.shared.pack import unpack
from guided_attention.widgets.shared.rows import TOLERANCE, pack_maps, summarise


class Own(nn.Module):
    """A reader's own network: a map of 6 x 8 positions over 24 x 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 4, stride=4)
        self.see = PositionAttention(8, 2)
        self.mix = ChannelAttention("scaled")

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.see(self.stem(x)))


@pytest.fixture
def own() -> Own:
    torch.manual_seed(0)
    return Own()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(1, 1, 24, 32, generator=torch.Generator().manual_seed(1))


def maps_of(query: np.ndarray, key: np.ndarray) -> PositionMaps:
    as_tensor = [torch.tensor(a, dtype=torch.float32)[None] for a in (query, key)]
    return PositionMaps(*as_tensor, grid=(8, 8), image=(8, 8), lam=0.0)


def softmax_rows(query: np.ndarray, key: np.ndarray) -> np.ndarray:
    logits = query.astype(np.float64).T @ key.astype(np.float64)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize(("size", "dtype"), [(1.0, "int16"), (40.0, "float32")])
def test_sixteen_bits_where_they_are_exact_enough(size, dtype):
    rng = np.random.default_rng(0)
    query, key = rng.normal(0, size**0.5, (4, 64)), rng.normal(5, size**0.5, (4, 64))
    packed = pack_maps(maps_of(query, key))
    assert packed["query"]["dtype"] == packed["key"]["dtype"] == dtype
    sent = softmax_rows(unpack(packed["query"]), unpack(packed["key"]))
    assert np.abs(sent - softmax_rows(query, key)).max() <= TOLERANCE
    assert packed["error"] <= TOLERANCE


def test_summary_by_hand():
    row = np.array([[0.5, 0.25], [0.25, 0.0]])
    found = summarise(row, (0, 0), (2.0, 3.0))
    assert (found.entropy, found.half, found.distance) == (1.5, 1, 0.0)
    found = summarise(row, (1, 1), (3.0, 4.0))
    assert found.distance == 5.0
    uniform = summarise(np.full((4, 4), 1 / 16), (0, 0))
    assert (uniform.entropy, uniform.half) == (4.0, 8)


def test_rows_of_a_readers_own_network(own, image):
    explorer = PositionExplorer.from_model(own, image, at=(13, 30))
    expected = attention_of(own, image, at=(13, 30))["see"][0].numpy()
    np.testing.assert_allclose(explorer.row(), expected, atol=1e-3)
    assert explorer.data["networks"][0]["maps"][0]["label"] == "see"
    explorer.position = [0, 0]
    np.testing.assert_allclose(explorer.row(), attention_of(own, image, at=(0, 0))["see"][0].numpy(), atol=1e-3)
    explorer.temperature = 1e6
    np.testing.assert_allclose(explorer.row(), 1 / 48, atol=1e-4)
    assert explorer.summary().entropy == pytest.approx(np.log2(48), abs=1e-4)


def test_a_module_by_itself_equals_the_network(own, image):
    features = capture_features(own, image, PositionAttention)["see"]
    whole, alone = (
        PositionExplorer.from_model(own, image, at=(5, 6)),
        PositionExplorer.from_module(own.see, features, image, at=(5, 6)),
    )
    np.testing.assert_array_equal(whole.row(), alone.row())
    energies = ChannelExplorer.from_module(own.mix, own.see(own.stem(image)), image, channel=2)
    np.testing.assert_allclose(energies.row(), ChannelExplorer.from_model(own, image, channel=2).row(), atol=1e-3)


def test_maps_of_the_family_by_scale_and_step(image):
    torch.manual_seed(0)
    model = build_model("ms-dual", backbone="resnet18", channels=8, reduction=2)
    x = torch.randn(1, 1, 64, 64)
    explorer = PositionExplorer.from_model({"a": model, "b": model}, x, scales=(1, 3), at=(9, 50))
    assert [(m["scale"], m["step"]) for m in explorer.data["networks"][0]["maps"]] == [(1, 1), (1, 2), (3, 1), (3, 2)]
    expected = model.attention(x, at=(9, 50))
    for scale, step in ((1, 2), (3, 1)):
        explorer.scale, explorer.step = scale, step
        np.testing.assert_allclose(explorer.row(), expected[scale, step][0].numpy(), atol=1e-3)
    channels = ChannelExplorer.from_model(model, x, scales=(2,), channel=4)
    channels.step, channels.energy = 2, "released"
    (features,) = [
        f for n, f in capture_features(model, x, ChannelAttention).items() if n.startswith("scales.2.steps.1")
    ]
    expected = ChannelAttention("released").weights(features)[0, 4].numpy()
    np.testing.assert_allclose(channels.row(), expected, atol=1e-3)


def test_volumes_are_prepared_as_for_training():
    rng = np.random.default_rng(0)
    labels = np.zeros((3, 20, 24), np.uint8)
    labels[1, 4:9, 5:12] = 1
    volume = Volume(rng.uniform(0, 900, (3, 20, 24)).astype(np.float32), labels, (5.0, 1.5, 1.25), "one")
    found = as_slice(volume, inputs=InputSettings(16))
    fitted = fit_in_plane(volume, 16)
    np.testing.assert_array_equal(found.x[0, 0].numpy(), normalise(fitted.image)[1])
    np.testing.assert_array_equal(found.labels, fitted.labels[1])
    assert found.spacing == (1.5, 1.25)
    assert as_slice(volume, inputs=InputSettings(16), index=-1).labels.sum() == 0
    with pytest.raises(SettingsError, match="index=3: one has 3 slices"):
        as_slice(volume, index=3)


def test_pictures_and_colours():
    grey = grey_values(np.linspace(-3, 5, 1000).reshape(20, 50))
    assert (grey.min(), grey.max(), grey.dtype) == (0, 255, np.uint8)
    assert (grey_values(np.ones((2, 2))) == 0).all()
    listed = class_list(np.array([[0, 6]], np.uint8))
    assert [c["name"] for c in listed] == [
        "background", "liver", "kidney right", "kidney left", "spleen", "class 5", "class 6",
    ]  # fmt: skip
    assert len({c["colour"] for c in listed}) == 7


@pytest.mark.parametrize("explorer", [PositionExplorer, ChannelExplorer])
def test_pictures_for_pages_have_words(own, image, explorer):
    made = explorer.from_model(own, image)
    figure = made.picture()
    assert len(figure.axes) >= 2
    plt.close(figure)
    assert 60 < len(made.alt) < 500


def test_questions_that_make_no_sense(own, image):
    with pytest.raises(SettingsError, match="found no PositionAttention"):
        PositionExplorer.from_model(nn.Conv2d(1, 2, 3), image)
    with pytest.raises(SettingsError, match="found no ChannelAttention"):
        ChannelExplorer.from_model(nn.Conv2d(1, 2, 3), image)
    with pytest.raises(SettingsError, match=r"at=\(24, 0\) lies outside"):
        PositionExplorer.from_model(own, image, at=(24, 0))
    with pytest.raises(SettingsError, match="channel=8: the map has the channels 0 to 7"):
        ChannelExplorer.from_model(own, image, channel=8)
    with pytest.raises(SettingsError, match="expected one slice"):
        PositionExplorer.from_model(own, torch.zeros(2, 1, 24, 32))
    with pytest.raises(SettingsError, match=r"labels: expected \(24, 32\)"):
        PositionExplorer.from_model(own, image, np.zeros((3, 3)))
    with pytest.raises(SettingsError, match="network='other' is unknown"):
        PositionExplorer.from_model(own, image).network = "other"
