"""What readers without JavaScript see of the widgets: colours are names, so each organ keeps exactly its own."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from guided_attention.data import ORGANS
from guided_attention.figures import ORGAN_COLOURS
from guided_attention.models import build_model
from guided_attention.widgets import (
    ChannelExplorer,
    LiveNetwork,
    LossPlayground,
    MetricPlayground,
    PositionExplorer,
    RefinementStepper,
    VolumeBrowser,
)
from guided_attention.widgets.shared.base import GuidedWidget
from guided_attention.widgets.shared.pack import pack
from small_volumes import small_volume

SMALL = {"backbone": "resnet18", "backbone_width": 8, "channels": 8, "reduction": 2}
VOLUME = small_volume("one", size=64)  # four boxes in its upper left quarter
LABELS = VOLUME.labels[2]


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("ms-dual", **SMALL).eval()


def position() -> GuidedWidget:
    made = PositionExplorer.from_model(network(), VOLUME, index=2)
    made.overlay = "labels"
    return made


def browser() -> GuidedWidget:
    return VolumeBrowser(VOLUME, np.roll(VOLUME.labels, 1, axis=2), slice=2)


def stepper() -> GuidedWidget:
    made = RefinementStepper.from_model(network(), VOLUME, index=2)
    for scale in made.data["networks"][0]["scales"]:  # as if the network, which is not trained, had found all organs
        scale["raw"] = scale["refined"] = pack(LABELS, "uint8")
    return made


def live() -> GuidedWidget:
    made = LiveNetwork.from_model(network(), [VOLUME.image[2]])
    made.data["slices"][0]["prediction"] = pack(LABELS, "uint8")
    return made


def losses() -> GuidedWidget:
    names = ("segmentation", "guided", "reconstruction")
    return LossPlayground([{"epoch": epoch, **dict.fromkeys(names, 1 / (1 + epoch))} for epoch in range(4)])


MADE = {
    PositionExplorer: position,
    VolumeBrowser: browser,
    RefinementStepper: stepper,
    LiveNetwork: live,
    ChannelExplorer: lambda: ChannelExplorer.from_model(network(), VOLUME, index=2),
    LossPlayground: losses,
    MetricPlayground: lambda: MetricPlayground(VOLUME, index=2, cols=4),
}


def still_of(widget: GuidedWidget) -> np.ndarray:
    """Return the still on the widget's page, (H, W, 3)."""
    (found,) = re.findall(r'<noscript><img [^>]*src="data:image/\w+;base64,([^"]+)"', widget.to_html())
    with Image.open(io.BytesIO(base64.b64decode(found))) as picture:
        return np.array(picture.convert("RGB"))


def where(picture: np.ndarray, colour: str) -> np.ndarray:
    return (picture == np.round(255 * np.array(to_rgb(colour))).astype(np.uint8)).all(-1)


@pytest.mark.parametrize("kind", MADE)
def test_a_still_is_what_was_drawn_pixel_for_pixel(kind):
    widget = MADE[kind]()
    found, drawn = still_of(widget), io.BytesIO()
    widget.picture().savefig(drawn, format="png", dpi=90, facecolor="white")
    with Image.open(drawn) as picture:
        np.testing.assert_array_equal(found, np.array(picture.convert("RGB")))


@pytest.mark.parametrize("kind", [PositionExplorer, VolumeBrowser, RefinementStepper, LiveNetwork])
def test_every_organ_has_exactly_its_colour_on_slice_and_legend(kind):
    picture = still_of(MADE[kind]())
    legend = picture.shape[0] - 30  # its line of text and patches is the last thing below
    for organ, colour in ORGAN_COLOURS.items():
        places = where(picture, colour)
        assert places[:legend].sum() >= 10, f"outline of the {organ}"
        assert places[legend:].sum() >= 50, f"patch of the {organ}"


@pytest.mark.parametrize("organ", ORGANS)
def test_the_chosen_organ_has_exactly_its_colour(organ):
    picture = still_of(MetricPlayground(VOLUME, index=2, organ=organ, cols=4))
    counts = {name: int(where(picture, colour).sum()) for name, colour in ORGAN_COLOURS.items()}
    assert counts.pop(organ) >= 10
    assert not any(counts.values())
