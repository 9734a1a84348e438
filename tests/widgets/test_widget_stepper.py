"""Refinement stepper without a browser: what is captured is what the network computes, and what it cannot show."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn

from guided_attention.errors import SettingsError
from guided_attention.models import MultiScaleAttentionNet, build_model
from guided_attention.widgets import RefinementStepper
from guided_attention.widgets.shared.pack import unpack
from guided_attention.widgets.stepper_data import refinements

SMALL = {"backbone": "resnet18", "backbone_width": 8, "channels": 8, "reduction": 2}


def network(name: str = "ms-dual-guided", **options) -> nn.Module:
    torch.manual_seed(0)
    guided = {"semantic_widths": (4, 8, 12)} if name == "ms-dual-guided" else {}
    return build_model(name, **{**SMALL, **guided, **options}).eval()


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ms-dual-guided", {}),
        ("ms-dual-guided", {"semantic": "shared"}),
        ("ms-dual-guided", {"second_input": "direct", "entry": "concat"}),
        ("ms-dual", {}),
    ],
)
def test_the_last_step_leads_to_the_networks_prediction(image, name, options):
    """The mean of the heads on what passes step 2 is the network's own result."""
    model = network(name, **options)
    found = refinements(model, image)
    logits = [
        nn.functional.interpolate(
            head(scale.steps[1].passed[None]), size=(64, 64), mode="bilinear", align_corners=False
        )
        for head, scale in zip(model.attention_heads, found, strict=True)
    ]
    with torch.no_grad():
        torch.testing.assert_close(torch.stack(logits).mean(0), model(image).logits)
    for scale, own in zip(found, logits, strict=True):
        torch.testing.assert_close(scale.from_attention, own[0].argmax(0).to(torch.uint8))


def test_guidance_in_numbers(image):
    model = network()
    found = refinements(model, image)[2]
    scale = model.scales[2]
    with torch.no_grad():
        first = torch.cat([found.raw, found.fused])[None]
        second = torch.cat([found.raw, found.steps[0].passed * found.fused])[None]
        latents, rebuilt = zip(*(scale.autoencoders[t](x) for t, x in enumerate((first, second))), strict=True)
    assert found.latents == pytest.approx(float(((latents[0] - latents[1]) ** 2).mean()), rel=1e-4)
    for step, x, again in zip(found.steps, (first, second), rebuilt, strict=True):
        torch.testing.assert_close(step.rebuilt[None], again)
        assert step.error == pytest.approx(float(((x - again) ** 2).mean()), rel=1e-4)
    assert all(step.rebuilt is None and step.error is None for step in refinements(network("ms-dual"), image)[0].steps)


def test_the_network_is_left_as_it_was(image):
    model = network().train()
    model.fusion.eval()
    refinements(model, image)
    assert model.training
    assert not model.fusion.training
    assert all(not part._forward_hooks for part in model.modules())


def test_pictures_are_norms_and_channels(image):
    model = network()
    stepper = RefinementStepper.from_model(model, image, channels=(3,), scales=(1,))
    step = refinements(model, image)[1].steps[1]
    expected = step.passed.double().norm(dim=0).numpy()
    np.testing.assert_allclose(stepper.features("network", 1, 2, "passed"), expected, atol=np.ptp(expected) / 500)
    stepper.channel = 3
    expected = step.rebuilt[3].numpy()
    np.testing.assert_allclose(stepper.features("network", 1, 2, "rebuilt"), expected, atol=np.ptp(expected) / 500)
    assert [scale["scale"] for scale in stepper.data["networks"][0]["scales"]] == [1]


def test_picture_and_words_for_two_networks(image):
    stepper = RefinementStepper.from_model({"unguided": network("ms-dual"), "guided": network()}, image)
    figure = stepper.picture()
    assert len(figure.axes) == 10
    plt.close(figure)
    assert "scale 0 of unguided and of guided" in stepper.alt
    assert stepper.data["networks"][0]["maps"][0]["rebuilt"] is None
    assert stepper.data["networks"][0]["scales"][0]["latents"] is None
    final = unpack(stepper.data["networks"][1]["scales"][3]["refined"])
    np.testing.assert_array_equal(final, refinements(network(), image)[3].from_attention.numpy())


def test_a_network_without_position_attention_has_no_rows(image):
    torch.manual_seed(0)
    model = MultiScaleAttentionNet(backbone="resnet18", backbone_width=8, channels=8, attention="channel", guided=False)
    stepper = RefinementStepper.from_model(model, image)
    assert all(found["attention"] is None for found in stepper.data["networks"][0]["maps"])


def test_questions_that_make_no_sense(image):
    with pytest.raises(SettingsError, match=r"model 'a': .* \(ms-dual or ms-dual-guided\), found .* with one step"):
        RefinementStepper.from_model({"a": network("dual")}, image)
    with pytest.raises(SettingsError, match=r"two attention steps .* found Conv2d"):
        RefinementStepper.from_model(nn.Conv2d(1, 2, 3), image)
    with pytest.raises(SettingsError, match="channels: 8 is none; model 'network' has the channels 0 to 7"):
        RefinementStepper.from_model(network(), image, channels=(8,))
    with pytest.raises(SettingsError, match=r"scales=\[7\]: the network has the scales 0 to 3"):
        RefinementStepper.from_model(network(), image, scales=(7,))
    with pytest.raises(SettingsError, match=r"at=\(64, 0\) lies outside"):
        RefinementStepper.from_model(network(), image, at=(64, 0))
    with pytest.raises(SettingsError, match=r"channel=2: the widget holds -1 \(the norm\) and none"):
        RefinementStepper.from_model(network(), image, scales=(0,)).channel = 2
