"""The drawings of the networks show what the networks have."""

import matplotlib as mpl
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt

from guided_attention.errors import SettingsError
from guided_attention.figures import DRAWN, show_design, show_members
from guided_attention.figures.members import scale_parts
from guided_attention.models import FAMILY, build_model
from guided_attention.models.compared.pan import PAN

SMALL = {
    "unet": {"channels": 4},
    "attention-unet": {"channels": 4},
    "danet": {"backbone": "resnet18"},
    "daf": {"backbone": "resnet18", "channels": 12},
}


def small(name):
    return PAN(backbone="resnet18") if name.startswith("pan-") else build_model(name, **SMALL[name])


def words(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


@pytest.mark.parametrize("name", DRAWN)
def test_boxes_carry_the_channels_of_the_network(name):
    figure = show_design(name, small(name))
    channels = {text.split("\n")[-1] for text in words(figure)}
    wanted = {
        "unet": {"4", "8", "16", "32", "64"},
        "attention-unet": {"4", "8", "16", "32", "64"},
        "danet": {"64", "128", "256", "512", "5"},
        "pan-resnet101": {"64", "128", "256", "512", "32"},
        "daf": {"64", "128", "256", "512", "12"},
    }[name]
    assert wanted <= channels
    plt.close(figure)


@pytest.mark.parametrize(
    ("name", "rows"),
    [("unet", ["1/1", "1/2", "1/4", "1/8", "1/16"]), ("danet", ["1/2", "1/4", "1/8"])],
)
def test_rows_are_the_resolutions_of_the_network(name, rows):
    figure = show_design(name, small(name))
    assert [text for text in words(figure) if text.startswith("1/")] == rows
    plt.close(figure)


def test_an_unknown_drawing_is_refused():
    with pytest.raises(SettingsError, match="design"):
        show_design("pam")


def test_parts_of_a_scale_are_read_off_its_modules():
    dual = ["position", "channel"]
    wanted = {
        "daf": [["mask"]],
        "pam": [["position"]],
        "cam": [["channel"]],
        "dual": [dual],
        "ms-dual": [dual, dual],
        "ms-dual-guided": [[*dual, "semantic"]] * 2,
    }
    for name in FAMILY:
        assert scale_parts(build_model(name, backbone="resnet18", channels=8).scales[0]) == wanted[name]


def test_members_are_drawn_one_below_the_other():
    figure = show_members(width=8)
    shown = words(figure)
    assert [text for text in shown if text in FAMILY] == list(FAMILY)
    assert shown.count("∗ position") == 6
    assert sum(text.startswith("×") for text in shown) == 3
    plt.close(figure)
