"""Volume browser in a browser: its numbers are those of the metrics, and every touch changes the picture."""

from __future__ import annotations

import numpy as np
import pytest
from browser_tools import choose, inspect, pixels, settle

from guided_attention.data import read_chaos_subject, write_phantom
from guided_attention.evaluation.overlap import dice, mean_surface_distance, volume_similarity
from guided_attention.widgets import VolumeBrowser


@pytest.fixture(scope="module")
def phases(tmp_path_factory):
    """A synthetic subject, in phase and out of phase."""
    root = write_phantom(tmp_path_factory.mktemp("data") / "phantom", subjects=1, seed=0, preset="tiny", workers=1)
    (subject,) = (root / "Train_Sets" / "MR").iterdir()
    return read_chaos_subject(subject), read_chaos_subject(subject, phase="out")


@pytest.fixture(scope="module")
def prediction(phases) -> np.ndarray:
    """The reference, shifted, without the left kidney, and with the upper part of the liver called spleen."""
    wrong = np.roll(phases[0].labels, (2, -3), (1, 2))
    wrong[wrong == 3] = 0
    wrong[-8:][wrong[-8:] == 1] = 4
    return wrong


@pytest.fixture(scope="module")
def browser_of_volumes(phases, prediction) -> VolumeBrowser:
    return VolumeBrowser(phases[0], prediction, phases[1])


def canvas_of(page):
    return page.locator("section.ga canvas")


def checked(shown: dict, name: str, metric, predicted: np.ndarray, reference: np.ndarray) -> None:
    for value in range(1, 5):
        expected = metric(predicted == value, reference == value)
        part, key = name.split(".")
        found = shown["numbers"][value][part][key]
        assert found == (None if np.isnan(expected) else pytest.approx(expected, abs=1e-12))


def test_numbers_are_those_of_the_metrics_in_every_slice(show, browser_of_volumes, phases, prediction):
    page = show(browser_of_volumes)
    canvas_of(page).focus()
    page.keyboard.press("Home")
    reference = phases[0].labels
    for z in range(len(reference)):
        shown = inspect(page)
        assert shown["slice"] == z
        here = prediction[z : z + 1], reference[z : z + 1]
        checked(shown, "slice.dice", dice, *here)
        checked(shown, "slice.vs", volume_similarity, *here)
        wrong = here[0] != here[1]
        assert shown["missed"] == (wrong & (here[1] > 0)).sum()
        assert shown["invented"] == (wrong & (here[1] == 0)).sum()
        page.keyboard.press("ArrowUp")
    checked(shown, "volume.dice", dice, prediction, reference)
    checked(shown, "volume.vs", volume_similarity, prediction, reference)
    checked(shown, "volume.msd", lambda a, b: mean_surface_distance(a, b, phases[0].spacing), prediction, reference)
    liver = dice(prediction == 1, reference == 1)
    assert page.locator("tbody tr").first.locator("td").nth(2).text_content() == f"{liver:.3f}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_click_key_and_touch_change_the_picture(show, browser_of_volumes, width, scheme):
    page = show(browser_of_volumes, width=width, scheme=scheme, touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    canvas = canvas_of(page)
    seen = [pixels(canvas)]
    for act in (
        lambda: page.locator('[data-organ="1"]').click(),
        lambda: choose(page, "predicted", "outline"),
        lambda: page.locator('[data-trait="errors"]').tap(),
        lambda: canvas.press("PageDown"),
        lambda: page.locator('[data-trait="slice"]').press("ArrowRight"),
        lambda: page.locator('[data-trait="phase"]').press("End"),
    ):
        act()
        seen.append(pixels(canvas))
    assert len(set(seen)) == len(seen)


def test_keys(show, browser_of_volumes, phases):
    page = show(browser_of_volumes)
    last = len(phases[0].image) - 1
    canvas_of(page).focus()
    for key, expected in (
        ("Home", 0), ("ArrowDown", 0), ("ArrowUp", 1), ("ArrowRight", 2), ("PageUp", 7), ("ArrowLeft", 6),
        ("PageDown", 1), ("End", last), ("PageUp", last),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert inspect(page)["slice"] == expected
    assert canvas_of(page).get_attribute("aria-valuetext") == f"slice {last + 1} of {last + 1}"


def test_the_wheel_belongs_to_the_page_until_the_picture_is_chosen(show, browser_of_volumes):
    page = show(browser_of_volumes, width=390)
    page.add_style_tag(content="body { min-height: 3000px }")
    canvas = canvas_of(page)
    start = inspect(page)["slice"]
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.wheel(0, 80)
    page.wait_for_function("scrollY > 0")
    assert inspect(page)["slice"] == start
    canvas.focus()
    settle(page)
    scrolled = page.evaluate("scrollY")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 100, max(5, box["y"] + 200))
    page.mouse.wheel(0, 80)
    page.wait_for_function("start => document.querySelector('section.ga').inspect().slice === start - 2", arg=start)
    assert page.evaluate("scrollY") == scrolled


def test_a_finger_drawn_to_the_side_scrolls_the_slices(show, browser_of_volumes):
    page = show(browser_of_volumes, width=390, touch=True)
    canvas = canvas_of(page)
    start, before = inspect(page)["slice"], pixels(canvas)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    touches = page.context.new_cdp_session(page)
    x, y = box["x"] + 150, box["y"] + 100
    touches.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 9):
        touches.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + 7 * step, "y": y}]})
    touches.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert inspect(page)["slice"] > start
    assert pixels(canvas) != before


def test_organs_can_be_left_out(show, browser_of_volumes, phases, prediction):
    page = show(browser_of_volumes)
    everything = inspect(page)
    for value in (1, 2, 3):
        page.locator(f'[data-organ="{value}"]').uncheck()
    shown = inspect(page)
    assert shown["organs"] == [4]
    z = shown["slice"]
    wrong = prediction[z] != phases[0].labels[z]
    assert shown["missed"] == (wrong & (phases[0].labels[z] == 4)).sum()
    assert shown["invented"] == (wrong & (prediction[z] == 4) & (phases[0].labels[z] != 4)).sum()
    assert shown["numbers"] == everything["numbers"]


def test_phases_blend(show, phases):
    page = show(VolumeBrowser(phases[0].with_labels(None), out_phase=phases[1]))
    canvas = canvas_of(page)
    middle = """c => {
        const copy = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
        copy.drawImage(c, -c.width / 2, -c.height / 2);
        return copy.getImageData(0, 0, 1, 1).data[0];
    }"""
    found = {}
    for key, phase in (("Home", 0.0), ("End", 1.0)):
        page.locator('[data-trait="phase"]').press(key)
        settle(page)
        found[phase] = canvas.evaluate(middle)
    for _ in range(10):
        page.locator('[data-trait="phase"]').press("ArrowLeft")
    settle(page)
    assert canvas.evaluate(middle) == pytest.approx(sum(found.values()) / 2, abs=2)


def test_a_volume_alone_and_one_with_labels_only(show, phases):
    page = show(VolumeBrowser(phases[0].with_labels(None)))
    assert page.locator("table").count() == 0
    page = show(VolumeBrowser(phases[0]))
    shown = inspect(page)
    voxel = np.prod(phases[0].spacing) / 1000
    assert float(shown["shown"][1][1]) == pytest.approx((phases[0].labels == 1).sum() * voxel, rel=0.01)


def test_it_speaks(show, browser_of_volumes):
    page = show(browser_of_volumes)
    start = inspect(page)["slice"]
    canvas_of(page).press("ArrowUp")
    heard = "document.querySelector('.ga [aria-live]').textContent"
    page.wait_for_function(f"{heard}.startsWith('Slice {start + 2} of ')")


def test_without_javascript_there_is_a_picture(show, browser_of_volumes):
    page = show(browser_of_volumes, wait=False, java_script_enabled=False)
    picture = page.locator("noscript img")
    assert picture.evaluate("img => img.complete && img.naturalWidth") > 300
    assert "pixels missed" in picture.get_attribute("alt")


def test_a_page_is_small_and_settles(show, browser_of_volumes):
    settle(show(browser_of_volumes))
    assert len(browser_of_volumes.to_html()) < 600_000
