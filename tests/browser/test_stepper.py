"""Refinement stepper in a browser: what it shows is PyTorch's, and every way of touching it changes the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from browser_tools import at, choose, click_all, inspect, pixels, settle
from torch import Tensor, nn

from guided_attention.models import build_model
from guided_attention.widgets import RefinementStepper
from guided_attention.widgets.stepper_data import refinements

SIZE = (64, 64)


@pytest.fixture(scope="module")
def image() -> Tensor:
    coarse = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    return nn.functional.interpolate(coarse, size=SIZE, mode="bilinear")


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    classes = np.zeros(SIZE, np.uint8)
    classes[10:40, 5:30] = 1
    classes[30:50, 40:55] = 4
    return classes


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    small = {"backbone": "resnet18", "backbone_width": 16, "channels": 16, "reduction": 4}
    return {
        "unguided": build_model("ms-dual", **small).eval(),
        "guided": build_model("ms-dual-guided", semantic_widths=(8, 12, 16), **small).eval(),
    }


@pytest.fixture(scope="module")
def stepper(networks, image, labels) -> RefinementStepper:
    return RefinementStepper.from_model(networks, image, labels, channels=(5,), at=(20, 12))


def test_every_scale_is_pytorchs(show, stepper, networks, image, labels):
    page = show(stepper)
    captured = {name: refinements(network, image) for name, network in networks.items()}
    for scale in range(4):
        choose(page, "scale", scale)
        for kind in ("features", "rebuilt", "passed"):
            choose(page, "shown", kind)
            for shown in inspect(page)["networks"]:
                found = captured[shown["name"]][scale]
                guided = shown["name"] == "guided"
                assert shown["latents"] == (pytest.approx(found.latents) if guided else None)
                for packed, features in [
                    (shown["raw"], found.raw),
                    (shown["fused"], found.fused),
                    *(
                        (step["shown"], getattr(own, kind if guided else "features"))
                        for step, own in zip(shown["steps"], found.steps, strict=True)
                    ),
                ]:
                    expected = features.double().norm(dim=0).flatten().numpy()
                    np.testing.assert_allclose(packed, expected, atol=np.ptp(expected) / 500)
                classes = [found.from_raw.numpy(), found.from_attention.numpy()]
                assert shown["wrong"] == [int((one != labels).sum()) for one in classes]
                errors = [step["error"] for step in shown["steps"]]
                assert errors == [None if own.error is None else pytest.approx(own.error) for own in found.steps]


def test_attention_of_both_steps_is_pytorchs(show, stepper, networks, image):
    page = show(stepper)
    chosen = np.random.default_rng(0).integers(0, 64, (5, 2)).tolist()
    rows = {
        name: {pixel: network.attention(image, at=pixel) for pixel in map(tuple, chosen)}
        for name, network in networks.items()
    }
    for scale in (0, 3):
        choose(page, "scale", scale)
        for pixel, shown in zip(chosen, click_all(page.locator(".ga-columns canvas").first, chosen, SIZE), strict=True):
            assert shown["position"] == pixel
            for network in shown["networks"]:
                for number, step in enumerate(network["steps"], start=1):
                    expected = rows[network["name"]][tuple(pixel)][scale, number][0].flatten().numpy()
                    np.testing.assert_allclose(step["row"], expected, atol=1e-3)


def test_a_channel_by_itself(show, stepper, networks, image):
    page = show(stepper)
    choose(page, "channel", 5)
    expected = refinements(networks["guided"], image)[0].raw[5].flatten().numpy()
    np.testing.assert_allclose(inspect(page)["networks"][1]["raw"], expected, atol=np.ptp(expected) / 500)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_click_key_and_touch_change_the_picture(show, stepper, width, scheme):
    page = show(stepper, width=width, scheme=scheme, touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    asks, flow = page.locator(".ga-columns canvas").first, page.locator(".ga-stage-step2 canvas").last
    seen = [pixels(asks)]
    for act in (
        lambda: asks.click(position=at(asks, (50, 10), SIZE)),
        lambda: page.keyboard.press("ArrowUp"),
        lambda: asks.tap(position=at(asks, (8, 45), SIZE)),
        lambda: choose(page, "scale", 2),
        lambda: choose(page, "network", "unguided"),
    ):
        act()
        seen.append(pixels(asks))
    assert len(set(seen)) == len(seen)
    pictures = [pixels(flow)]
    for kind in ("features", "rebuilt"):
        choose(page, "shown", kind)
        pictures.append(pixels(flow))
    choose(page, "channel", 5)
    pictures.append(pixels(flow))
    assert len(set(pictures)) == len(pictures)


def test_a_step_is_chosen_by_click_touch_and_keys(show, stepper):
    page = show(stepper, touch=True)
    page.locator(".ga-stage-step2 canvas").first.click()
    assert (inspect(page)["network"], inspect(page)["step"]) == ("unguided", 2)
    assert page.locator(".ga-chosen").count() == 1
    page.keyboard.press("ArrowLeft")
    assert (inspect(page)["network"], inspect(page)["step"]) == ("unguided", 1)
    page.locator(".ga-stage-step2 canvas").last.tap()
    assert (inspect(page)["network"], inspect(page)["step"]) == ("guided", 2)
    assert "Entropy, step 2" in page.locator(".ga-facts").text_content()


def test_what_guidance_adds_is_said(show, stepper):
    page = show(stepper)
    bridges = page.locator(".ga-bridge")
    assert "no guidance" in bridges.first.text_content()
    assert "latents (eq. 6)" in bridges.last.text_content()
    assert "not guided" in page.locator(".ga-stage-step1").first.text_content()


def test_it_speaks(show, stepper):
    page = show(stepper)
    choose(page, "scale", 3)
    page.wait_for_function(
        "document.querySelector('.ga [aria-live]').textContent.startsWith('guided, scale 3, step 1')"
    )


def test_without_javascript_there_is_a_picture(show, stepper):
    page = show(stepper, wait=False, java_script_enabled=False)
    picture = page.locator("noscript img")
    assert picture.evaluate("img => img.complete && img.naturalWidth") > 300
    assert "both attention steps" in picture.get_attribute("alt")


def test_a_page_is_small_and_settles(show, stepper):
    settle(show(stepper))
    assert len(stepper.to_html()) < 600_000
