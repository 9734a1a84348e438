"""Widgets where readers meet them, on the finished pages: each answers to click, key and touch, and tells the truth."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch
from browser_tools import at, click_all, settle
from built_pages import HTML, ROOT, WITH_WIDGETS, served, visit  # noqa: F401  (a fixture)
from playwright.sync_api import Locator

from guided_attention import widgets
from guided_attention.data import open_source
from guided_attention.experiments.trial import choose_fold
from guided_attention.models.stored.pretrained import load_pretrained, pretrained_path
from guided_attention.widgets.shared.inputs import as_slice

pytestmark = pytest.mark.built_book
#: Every widget of the package stands on a page of the book.
EVERYWHERE = {getattr(widgets, name)._script for name in widgets.__all__}
CONTROLS = 'canvas[tabindex="0"], input[type=radio]:not(:checked), input[type=checkbox], input[type=range], button'


def state(widget: Locator) -> str:
    """What a widget shows: its own words, and its canvases as text."""
    settle(widget.page)
    return widget.evaluate(
        "root => JSON.stringify(root.inspect()) + [...root.querySelectorAll('canvas')].map(c => c.toDataURL())"
    )


def touches(widget: Locator, act: str) -> bool:
    """Click or tap one control after the other until the widget shows something else."""
    before = state(widget)
    for control in widget.locator(CONTROLS).all():
        if not control.is_visible() or control.is_disabled():
            continue
        control.scroll_into_view_if_needed()
        box = control.bounding_box()
        place = {"x": 0.7 * box["width"], "y": 0.4 * box["height"]}
        getattr(control, act)(position=place)
        if state(widget) != before:
            return True
    return False


def keys(widget: Locator) -> bool:
    """Press arrow keys in one control after the other until the widget shows something else."""
    before = state(widget)
    for control in widget.locator('canvas[tabindex="0"], input[type=range]').all():
        for key in ("ArrowRight", "ArrowDown", "ArrowLeft"):
            control.focus()
            widget.page.keyboard.press(key)
            if state(widget) != before:
                return True
    return False


def test_every_widget_of_the_package_stands_on_some_page():
    texts = [(HTML / f"{page}.html").read_text(encoding="utf-8") for page in WITH_WIDGETS]
    assert {name for text in texts for name in re.findall(r'class="ga-mount[^>]*data-key="(\w+)-', text)} == EVERYWHERE


@pytest.mark.parametrize("page", WITH_WIDGETS)
def test_click_key_and_touch_change_every_widget(show, page):
    for options in ({"width": 1440}, {"width": 390, "scheme": "dark", "touch": True}):
        opened = visit(show, page, **options)
        for widget in opened.locator("section.ga").all():
            name = widget.get_attribute("data-widget")
            assert touches(widget, "tap" if options.get("touch") else "click"), f"{name} at {options}"
            assert keys(widget), f"keys in {name} at {options}"


def chosen_slice():
    """The slice of the chapter on touching: the test subject and slice whose smallest organ is largest."""
    spec = load_pretrained("ms-dual-guided")[1]
    source = open_source(ROOT / "_build" / "data" / "phantom")
    volume = source.read(choose_fold(source, spec.notes["fold"]).test[-1])
    return as_slice(volume, index=volume.fullest_slice(), inputs=spec.inputs)


def test_rows_on_the_page_are_pytorchs_at_ten_positions_of_every_scale(show):
    network, spec = load_pretrained("ms-dual-guided")
    slice_, size = chosen_slice(), spec.inputs.size
    page = visit(show, "chapters/21_touch")
    widget = page.locator('section.ga[data-widget="position"]').first
    widget.locator('[data-trait="network"] input[value="guided"]').check()
    rng = np.random.default_rng(1)
    for scale, step in itertools.product(range(4), (1, 2)):
        widget.locator(f'[data-trait="scale"] input[value="{scale}"]').check()
        widget.locator(f'[data-trait="step"] input[value="{step}"]').check()
        askers = [tuple(map(int, pixel)) for pixel in rng.integers(0, size, (10, 2))]
        expected = network.attention(slice_.x, at=askers)[scale, step][0].flatten(1).numpy()
        canvas = widget.locator(".ga-columns canvas").first
        for row, found in zip(expected, click_all(canvas, askers, (size, size)), strict=True):
            np.testing.assert_allclose(found["row"], row, atol=1e-3, rtol=0)


def test_the_network_on_the_page_answers_as_pytorch_and_minds_the_brush(show):
    network, spec = load_pretrained("ms-dual-guided")
    page = visit(show, "chapters/23_live")
    widget, size = page.locator('section.ga[data-widget="live"]'), spec.inputs.size
    answered = "() => { const it = document.querySelector('section.ga[data-widget=live]').inspect(); return %s; }"
    widget.locator('[data-act="load"]').click()
    page.wait_for_function(answered % "it.logits && !it.busy", timeout=60_000)
    first = widget.evaluate("root => root.inspect()")
    assert first["bytes"] > pretrained_path("ms-dual-guided").stat().st_size
    x = torch.tensor(first["image"]).reshape(1, 1, size, size)
    with torch.no_grad():
        expected = network(x).logits[0].numpy()
    np.testing.assert_allclose(np.reshape(first["logits"], expected.shape), expected, atol=1e-3)
    widget.locator('[data-trait="tool"] input[value="erase"]').check()
    canvas = widget.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    canvas.click(position=at(canvas, (size // 2, size // 4), (size, size)))
    page.wait_for_function(answered % f"it.answers > {first['answers']} && !it.busy", timeout=60_000)
    again = widget.evaluate("root => root.inspect()")
    assert again["image"] != first["image"]
    assert again["logits"] != first["logits"]
