"""Channel attention explorer in a browser: its maps are PyTorch's, and every way of touching it changes the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from browser_tools import at, choose, click_all, inspect, pixels, settle
from torch import Tensor, nn

from guided_attention.models import build_model, capture_features
from guided_attention.models.attention import ChannelAttention
from guided_attention.widgets import ChannelExplorer

CHANNELS = 16


@pytest.fixture(scope="module")
def image() -> Tensor:
    coarse = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    return nn.functional.interpolate(coarse, size=(64, 64), mode="bilinear")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_model("ms-dual", backbone="resnet18", channels=CHANNELS)


@pytest.fixture(scope="module")
def explorer(network, image) -> ChannelExplorer:
    labels = np.zeros((64, 64), np.uint8)
    labels[10:40, 5:30] = 1
    return ChannelExplorer.from_model(network, image, labels, channel=3)


def matrix(page):
    return page.locator("section.ga canvas").first


def features_of(network: nn.Module, image: Tensor, scale: int, step: int) -> Tensor:
    return capture_features(network, image, ChannelAttention)[f"scales.{scale}.steps.{step - 1}.channel.1"]


@pytest.mark.parametrize("energy", ["paper", "released", "scaled"])
def test_rows_are_pytorchs_under_three_energies(show, explorer, network, image, energy):
    page = show(explorer)
    choose(page, "energy", energy)
    rng = np.random.default_rng(0)
    for scale in range(4):
        choose(page, "scale", scale)
        choose(page, "step", scale % 2 + 1)
        features = features_of(network, image, scale, scale % 2 + 1)
        expected = ChannelAttention(energy).weights(features)[0].numpy()
        cells = rng.integers(0, CHANNELS, (5, 2)).tolist()
        for (j, i), shown in zip(cells, click_all(matrix(page), cells, (CHANNELS, CHANNELS)), strict=True):
            assert (shown["channel"], shown["other"]) == (j, i)
            np.testing.assert_allclose(shown["row"], expected[j], atol=1e-3)
            values = features[0, i].flatten().numpy()
            np.testing.assert_allclose(shown["values"], values, atol=np.ptp(values) / 500)


def test_what_comes_back_is_eq_5_without_lambda(show, explorer, network, image):
    page = show(explorer)
    choose(page, "energy", "scaled")
    features = features_of(network, image, explorer.scale, explorer.step)[0].flatten(1)
    expected = (ChannelAttention("scaled").weights(features[None, :, :, None])[0] @ features)[3]
    np.testing.assert_allclose(inspect(page)["back"], expected.numpy(), atol=np.ptp(features.numpy()) / 200)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_click_key_and_touch_change_the_picture(show, explorer, width, scheme):
    page = show(explorer, width=width, scheme=scheme, touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    canvas, size = matrix(page), (CHANNELS, CHANNELS)
    listens = page.locator(".ga-four canvas").first
    seen = [pixels(canvas)]
    pictures = [pixels(listens)]
    canvas.click(position=at(canvas, (8, 2), size))
    seen.append(pixels(canvas))
    pictures.append(pixels(listens))
    page.keyboard.press("ArrowDown")
    seen.append(pixels(canvas))
    pictures.append(pixels(listens))
    canvas.tap(position=at(canvas, (12, 6), size))
    seen.append(pixels(canvas))
    pictures.append(pixels(listens))
    choose(page, "energy", "scaled")
    seen.append(pixels(canvas))
    assert len(set(seen)) == len(seen)
    assert len(set(pictures)) == len(pictures)


def test_the_list_names_the_loudest_and_is_a_way_to_them(show, explorer):
    page = show(explorer)
    choose(page, "energy", "scaled")
    shown = inspect(page)
    assert shown["listed"][:2] == np.argsort(-np.array(shown["row"]), kind="stable")[:2].tolist()
    second = page.locator("[data-channel]").nth(1)
    second.focus()
    page.keyboard.press("Enter")
    assert inspect(page)["other"] == shown["listed"][1]
    assert page.evaluate("document.activeElement.dataset.channel") == str(shown["listed"][1])


def test_it_speaks(show, explorer):
    page = show(explorer)
    matrix(page).focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("document.querySelector('.ga [aria-live]').textContent.startsWith('Channel 4 listens to')")


def test_without_javascript_there_is_a_picture(show, explorer):
    page = show(explorer, wait=False, java_script_enabled=False)
    picture = page.locator("noscript img")
    assert picture.evaluate("img => img.complete && img.naturalWidth") > 300
    assert "channel attention" in picture.get_attribute("alt")


def test_any_network_of_the_reader(show, image):
    torch.manual_seed(1)
    danet = build_model("danet", backbone="resnet18", channels=32)
    page = show(ChannelExplorer.from_model(danet, image, channel=7))
    (features,) = capture_features(danet, image, ChannelAttention).values()
    expected = ChannelAttention("released").weights(features)[0, 7]  # the energy of DANet's own module
    np.testing.assert_allclose(inspect(page)["row"], expected.numpy(), atol=1e-3)


def test_a_page_is_small_and_settles(show, explorer):
    settle(show(explorer))
    assert len(explorer.to_html()) < 300_000
