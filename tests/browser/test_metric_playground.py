"""Metric playground in a browser: what JavaScript measures is what the package measures, however the mask is moved."""

from __future__ import annotations

import numpy as np
import pytest
from browser_tools import at, choose, inspect, pixels, settle

from guided_attention.data import read_chaos_subject, write_phantom
from guided_attention.widgets import MetricPlayground

START = {"rows": 0, "cols": 0, "grow": 0, "cut": 0, "speck": 0, "absent": False}
#: Positions, radii, islands, missing parts, and every kind of empty mask.
TRIED = [
    {"cols": 3},
    {"rows": -7, "cols": 4},
    {"grow": 1},
    {"grow": 5, "rows": 2},
    {"grow": -2},
    {"grow": -12},
    {"speck": 1},
    {"speck": 37, "speck_at": [1, 2], "cols": -3},
    {"speck": 80, "speck_at": [40, 47]},
    {"cut": 33},
    {"cut": 90, "rows": 11, "grow": 2},
    {"cols": 40},
    {"cols": -200},
    {"cut": 100},
    {"cut": 100, "speck": 5},
    {"absent": True},
    {"absent": True, "cut": 100},
]


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    root = write_phantom(tmp_path_factory.mktemp("data") / "phantom", subjects=1, seed=0, preset="tiny", workers=1)
    return read_chaos_subject(next((root / "Train_Sets" / "MR").iterdir()))


@pytest.fixture(scope="module")
def play(volume) -> MetricPlayground:
    return MetricPlayground(volume)


def canvas_of(page):
    return page.locator("section.ga canvas")


def place_sliders(page, values: dict) -> None:
    """Move the sliders of a page as a reader would, and put the speck somewhere."""
    page.evaluate(
        """values => {
            for (const [name, value] of Object.entries(values)) {
                const input = document.querySelector(`input[data-trait="${name}"]`);
                if (input.type === 'checkbox') { if (input.checked !== value) input.click(); continue; }
                input.value = value;
                input.dispatchEvent(new Event('input'));
            }
        }""",
        values,
    )


def same(found: float | None, expected: float) -> bool:
    return found is None if np.isnan(expected) else found == pytest.approx(expected, abs=1e-9)


def agree(shown: dict, play: MetricPlayground) -> None:
    """What the page shows is what Python says of the same mistakes."""
    np.testing.assert_array_equal(shown["prediction"], np.flatnonzero(play.prediction()))
    expected = play.scores()
    assert same(shown["dsc"], expected["dsc"])
    assert same(shown["vs"], expected["vs"])
    for distances, suffix in zip(shown["distances"], ("", "_mm"), strict=False):
        assert same(distances["msd"], expected[f"msd{suffix}"])
        assert same(distances["maximum"], expected[f"maximum{suffix}"])


@pytest.mark.parametrize("spacing", [None, (2.5, 1.25)])
def test_numbers_are_those_of_the_package(show, volume, spacing):
    index = int((volume.labels > 0).sum((1, 2)).argmax())
    for tried in TRIED:
        if "speck_at" in tried:
            own = MetricPlayground(volume.image[index], volume.labels[index], spacing=spacing, **tried)
            agree(inspect(show(own)), own)
    own = MetricPlayground(volume.image[index], volume.labels[index], spacing=spacing, organ=4)
    page = show(own)
    known = MetricPlayground(volume.image[index], volume.labels[index], spacing=spacing, organ=4)
    for tried in TRIED:
        if "speck_at" not in tried:
            place_sliders(page, {**START, **tried})
            for name, value in {**START, **tried}.items():
                setattr(known, name, value)
            agree(inspect(page), known)


def test_masks_at_the_edge_and_over_the_whole_slice(show):
    for labels in (np.ones((9, 12), np.uint8), np.pad(np.ones((5, 6), np.uint8), ((0, 4), (6, 0)))):
        for tried in ({}, {"grow": 3}, {"grow": -1}, {"rows": 3}, {"absent": True}):
            own = MetricPlayground(np.random.default_rng(0).random((9, 12)), labels, spacing=(2.0, 1.0), **tried)
            agree(inspect(show(own)), own)


def test_every_organ_and_every_situation(show, volume, play):
    page = show(play)
    known = MetricPlayground(volume)
    for one in play.data["organs"]:
        choose(page, "organ", one["value"])
        known.organ = one["value"]
        for situation in one["situations"]:
            button = page.locator(f'[data-act="{situation["name"]}"]')
            button.click()
            for name, value in situation["set"].items():
                setattr(known, name, value)
            shown = inspect(page)
            agree(shown, known)
            assert button.get_attribute("aria-pressed") == "true"
            assert shown["note"]
    assert "NaN" in page.locator(".ga-facts").inner_text()
    page.locator('[data-act="Same size elsewhere"]').click()
    settle(page)
    assert page.locator(".ga-facts dd").all_inner_texts()[:2] == ["0.000 1: equal", "1.000 1: same size"]


def test_the_curve_along_the_shift_goes_through_where_it_is(show, play, volume):
    page = show(play)
    place_sliders(page, {"cols": 6})
    known = MetricPlayground(volume)
    for shift, dsc, vs, msd in inspect(page)["path"]:
        known.cols = round(shift)
        expected = known.scores()
        assert [dsc, vs, msd] == pytest.approx([expected["dsc"], expected["vs"], expected["msd_mm"]], abs=1e-9)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_drag_key_and_touch_change_the_picture(show, play, volume, width, scheme):
    page = show(play, width=width, scheme=scheme, touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    canvas = canvas_of(page)
    canvas.scroll_into_view_if_needed()
    size = tuple(play.data["size"])
    mask = play.reference()
    middle = np.argwhere(mask)[mask.sum() // 2]
    seen = [pixels(canvas)]

    box, from_, to = canvas.bounding_box(), at(canvas, middle, size), at(canvas, middle + np.array((3, -5)), size)
    page.mouse.move(box["x"] + from_["x"], box["y"] + from_["y"])
    page.mouse.down()
    page.mouse.move(box["x"] + to["x"], box["y"] + to["y"], steps=4)
    page.mouse.up()
    shown = inspect(page)
    assert (shown["rows"], shown["cols"]) == (3, -5)
    seen.append(pixels(canvas))
    canvas.press("Shift+ArrowRight")
    canvas.press("ArrowUp")
    shown = inspect(page)
    assert (shown["rows"], shown["cols"]) == (2, 0)
    seen.append(pixels(canvas))
    page.locator('[data-act="A speck far away"]').tap()
    seen.append(pixels(canvas))
    page.locator('input[data-trait="grow"]').press("ArrowRight")
    seen.append(pixels(canvas))
    assert len(set(seen)) == len(seen)
    known = MetricPlayground(volume, speck=12, grow=1)
    agree(inspect(page), known)


def test_a_finger_drags_the_mask_and_scrolls_beside_it(show, play):
    page = show(play, width=390, touch=True)
    page.add_style_tag(content="body { min-height: 3000px }")
    canvas = canvas_of(page)
    size, mask = tuple(play.data["size"]), play.reference()
    fingers = page.context.new_cdp_session(page)

    def draw(pixel) -> None:
        box, place = canvas.bounding_box(), at(canvas, pixel, size)
        x, y = box["x"] + place["x"], box["y"] + place["y"]
        fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 9):
            points = [{"x": x, "y": y - 6 * step}]
            fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        settle(page)

    draw(np.argwhere(mask)[mask.sum() // 2])
    shown = inspect(page)
    assert shown["rows"] < -5
    assert page.evaluate("scrollY") == 0
    draw((size[0] - 3, size[1] // 2))
    page.wait_for_function("scrollY > 0")
    assert inspect(page)["rows"] == shown["rows"]


def test_the_speck_can_be_moved_by_mouse_and_keys(show, volume):
    play = MetricPlayground(volume, speck=20)
    page = show(play)
    canvas, size, spot = canvas_of(page), tuple(play.data["size"]), list(play.speck_at)
    canvas.click(position=at(canvas, spot, size))
    assert inspect(page)["held"] == "speck"
    canvas.press("ArrowLeft")
    shown = inspect(page)
    assert shown["speck_at"] == [spot[0], spot[1] - 1]
    canvas.press("Enter")
    canvas.press("ArrowLeft")
    shown = inspect(page)
    assert (shown["held"], shown["cols"], shown["speck_at"][1]) == ("mask", -1, spot[1] - 1)
    agree(shown, MetricPlayground(volume, speck=20, speck_at=shown["speck_at"], cols=-1))


def test_it_speaks(show, play):
    page = show(play)
    page.locator('[data-act="Missed"]').click()
    page.wait_for_function("document.querySelector('.ga [aria-live]').textContent.includes('missed')")


def test_without_javascript_there_is_a_picture(show, play):
    page = show(play, wait=False, java_script_enabled=False)
    picture = page.locator("noscript img")
    assert picture.evaluate("img => img.complete && img.naturalWidth") > 300
    assert "outline of the" in picture.get_attribute("alt")
