"""Position attention explorer in a browser: rows are PyTorch's, and every way of touching it changes the picture."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from browser_tools import at, choose, click_all, inspect, pixels, settle
from torch import Tensor, nn

from guided_attention.models import attention_of, build_model, capture_positions
from guided_attention.widgets import PositionExplorer

SIZE = (64, 64)


@torch.no_grad()
def sharpen(network: nn.Module, image: Tensor) -> nn.Module:
    """Bring the products of queries and keys to a standard deviation of 3 and lambda to 0.5, as training might."""
    for name in capture_positions(network, image):
        module, found = network.get_submodule(name), capture_positions(network, image)[name]
        products = found.query[0].T @ (found.key[0] - found.key[0].mean(-1, keepdim=True))
        for parameter in module.query.parameters():
            parameter.mul_(3 / products.std())
        module.lam.fill_(0.5)
    return network


@pytest.fixture(scope="module")
def image() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn(1, 1, 8, 8, generator=generator)
    return nn.functional.interpolate(coarse, size=SIZE, mode="bilinear")


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    found = np.zeros(SIZE, np.uint8)
    found[10:40, 5:30], found[12:30, 44:58], found[42:50, 15:25] = 1, 4, 2
    return found


@pytest.fixture(scope="module")
def networks(image) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    options = {"backbone": "resnet18", "channels": 16, "semantic_widths": (8, 8, 8)}
    guided = sharpen(build_model("ms-dual-guided", **options), image)
    plain = sharpen(build_model("ms-dual", backbone="resnet18", channels=16), image)
    return {"plain": plain, "guided": guided}


@pytest.fixture(scope="module")
def explorer(networks, image, labels) -> PositionExplorer:
    return PositionExplorer.from_model(networks, image, labels, spacing=(2.0, 1.5))


def canvases(page):
    return page.locator(".ga-columns canvas").nth(0), page.locator(".ga-columns canvas").nth(1)


def test_rows_are_pytorchs_at_ten_positions_of_every_scale(show, explorer, networks, image):
    page = show(explorer, width=900)
    rng = np.random.default_rng(0)
    for scale, step in itertools.product(range(4), (1, 2)):
        choose(page, "scale", scale)
        choose(page, "step", step)
        askers = [tuple(map(int, pixel)) for pixel in rng.integers(0, 64, (10, 2))]
        expected = networks["guided"].attention(image, at=askers)[scale, step][0].flatten(1).numpy()
        assert expected.max() > 5 / expected.shape[1]  # rows that say something: far from uniform
        shown = click_all(canvases(page)[0], askers, SIZE)
        for asker, row, found in zip(askers, expected, shown, strict=True):
            assert found["position"] == list(asker)
            np.testing.assert_allclose(found["row"], row, atol=1e-3, rtol=0)


def test_numbers_are_those_of_python(show, networks, image, labels):
    explorer = PositionExplorer.from_model(networks, image, labels, spacing=(2.0, 1.5), at=(20, 50))
    page = show(explorer)
    choose(page, "network", "plain")
    explorer.network = "plain"
    canvas = canvases(page)[1]  # the second picture can be asked as well
    canvas.click(position=at(canvas, (20, 50), SIZE))
    shown, summary = inspect(page), explorer.summary()
    np.testing.assert_allclose(shown["row"], explorer.row().ravel(), atol=1e-9)
    assert shown["entropy"] == pytest.approx(summary.entropy)
    assert shown["half"] == summary.half
    assert shown["distance"] == pytest.approx(summary.distance)
    assert sum(shown["shares"]) == pytest.approx(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_click_key_and_touch_change_the_picture(show, explorer, width, scheme):
    page = show(explorer, width=width, scheme=scheme, touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    asks, answers = canvases(page)
    seen = [pixels(answers)]
    asks.click(position=at(asks, (15, 50), SIZE))
    seen.append(pixels(answers))
    asks.focus()
    page.keyboard.press("ArrowDown")
    seen.append(pixels(answers))
    page.keyboard.press("Shift+ArrowLeft")
    seen.append(pixels(answers))
    asks.tap(position=at(asks, (50, 20), SIZE))
    seen.append(pixels(answers))
    page.locator('[data-trait="temperature"]').focus()
    page.keyboard.press("ArrowLeft")
    seen.append(pixels(answers))
    choose(page, "colours", "logarithmic")
    seen.append(pixels(answers))
    assert len(set(seen)) == len(seen)
    assert inspect(page)["position"] == [50, 20]


def test_arrow_keys_move_by_positions_and_stop_at_the_edge(show, explorer):
    page = show(explorer)
    asks = canvases(page)[0]
    asks.click(position=at(asks, (2, 2), SIZE))
    page.keyboard.press("ArrowRight")  # the map has 16 x 16 positions: 4 pixels each
    assert inspect(page)["position"] == [2, 6]
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    assert inspect(page)["position"][0] < 4
    for _ in range(5):
        page.keyboard.press("Shift+ArrowRight")
    assert inspect(page)["position"][1] >= 60


def test_hover_shows_and_forgets(show, explorer):
    page = show(explorer)
    asks = canvases(page)[0]
    asks.click(position=at(asks, (30, 30), SIZE))
    asks.hover(position=at(asks, (5, 60), SIZE))
    assert inspect(page)["position"] == [5, 60]
    page.mouse.move(2, 2)
    assert inspect(page)["position"] == [30, 30]


def test_pins_are_kept_and_compared(show, explorer):
    page = show(explorer)
    asks = canvases(page)[0]
    for pixel in ((20, 10), (20, 50)):
        asks.click(position=at(asks, pixel, SIZE))
        page.keyboard.press("Enter")
    settle(page)
    rows = page.locator("section.ga tbody tr")
    assert [row.split()[0] for row in rows.all_inner_texts()] == ["A", "B"]
    assert "liver" in rows.nth(0).inner_text()
    assert "spleen" in rows.nth(1).inner_text()
    page.get_by_role("button", name="Remove pin A").click()
    settle(page)
    assert rows.count() == 1
    page.get_by_role("button", name="Remove pins").click()
    settle(page)
    assert rows.count() == 0


def test_everything_is_reached_and_said_without_a_mouse(show, explorer):
    page = show(explorer)
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.type")
        )
    assert sum("Slice" in (name or "") for name in reached) == 2
    assert "Temperature" in reached
    assert reached.count("radio") == 5
    assert "button" in reached
    asks = canvases(page)[0]
    asks.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function(
        "/Row .* mean distance .* mm/.test(document.querySelector('.ga [aria-live]').textContent)", timeout=3000
    )


def test_without_javascript_there_is_a_picture(show, explorer):
    page = show(explorer, wait=False, java_script_enabled=False)
    picture = page.locator("noscript img")
    assert picture.evaluate("img => img.complete && img.naturalWidth") > 300
    assert "attention" in picture.get_attribute("alt")


def test_any_network_of_the_reader(show, image, labels):
    torch.manual_seed(1)
    danet = sharpen(build_model("danet", backbone="resnet18", channels=32), image)
    widget = PositionExplorer.from_model(danet, image, labels)
    page = show(widget)
    asker = (33, 12)
    canvas = canvases(page)[0]
    canvas.click(position=at(canvas, asker, SIZE))
    (expected,) = attention_of(danet, image, at=asker).values()
    np.testing.assert_allclose(inspect(page)["row"], expected.flatten().numpy(), atol=1e-3)


def test_one_module_by_itself(show, networks, image):
    name = "scales.1.steps.0.position.1"
    module = networks["plain"].get_submodule(name)
    kept = []
    hook = module.register_forward_pre_hook(lambda module, given: kept.append(given[0].detach()))
    with torch.no_grad():
        networks["plain"].eval()(image)
    hook.remove()
    page = show(PositionExplorer.from_module(module, kept[0], image, at=(9, 9)))
    expected = capture_positions(networks["plain"], image)[name].rows([(9, 9)])
    np.testing.assert_allclose(inspect(page)["row"], expected.flatten().numpy(), atol=1e-3)


def test_a_page_is_small(show, explorer):
    show(explorer)
    assert len(explorer.to_html()) < 500_000
