"""Loss playground in a browser: weights, totals and shares are Python's, by mouse, touch and keys."""

from __future__ import annotations

import pytest
from browser_tools import choose, inspect, settle

from guided_attention.paths import results_folder
from guided_attention.widgets import LossPlayground

RECORD = results_folder() / "phantom-t1dual-in" / "ms-dual-guided" / "fold0-seed0.json"


@pytest.fixture(scope="module")
def play() -> LossPlayground:
    return LossPlayground.from_record(RECORD)


def chart(page) -> str:
    settle(page)
    return page.locator("svg.ga-chart").inner_html()


def agree(shown: dict) -> None:
    """What the page shows is what Python says of the same weights."""
    known = LossPlayground.from_record(RECORD, **{name: shown[name] for name in ("alpha", "beta", "gamma", "epoch")})
    for found, expected in zip(shown["weighted"], known.weighted().values(), strict=True):
        assert found == pytest.approx(expected.tolist(), rel=1e-12)
    assert shown["total"] == pytest.approx(known.total().tolist(), rel=1e-12)
    if shown["total"][0]:
        assert shown["shares"] == pytest.approx(list(known.shares().values()), rel=1e-12)
    else:
        assert shown["shares"] == [None] * 3


def slide(page, trait: str, *keys: str) -> None:
    for key in keys:
        page.locator(f'input[data-trait="{trait}"]').press(key)


def test_numbers_are_those_of_python(show, play):
    page = show(play)
    shown = inspect(page)
    assert [shown[name] for name in ("alpha", "beta", "gamma", "epoch")] == [1, 0.25, 0.1, 10]
    agree(shown)
    for trait, keys in (("beta", ["ArrowRight"] * 5), ("gamma", ["Home"]), ("alpha", ["ArrowLeft"]), ("beta", ["End"])):
        slide(page, trait, *keys)
        agree(inspect(page))
    assert inspect(page)["gamma"] == 0
    slide(page, "alpha", "Home")
    slide(page, "beta", "Home")
    shown = inspect(page)
    agree(shown)
    assert page.locator(".ga-bars > span").all_inner_texts()[1::2] == ["–"] * 3
    page.wait_for_function("document.querySelector('.ga [aria-live]').textContent.includes('nothing to minimise')")


def test_buttons(show, play):
    page = show(play)
    for act, expected in (("ones", [1, 1, 1]), ("alone", [1, 0, 0]), ("paper", [1, 0.25, 0.1])):
        page.locator(f'[data-act="{act}"]').click()
        shown = inspect(page)
        assert [shown[name] for name in ("alpha", "beta", "gamma")] == expected
        agree(shown)
    page.locator('[data-act="even"]').click()
    shown = inspect(page)
    assert shown["shares"] == pytest.approx([1 / 3] * 3)
    agree(shown)
    assert page.locator('[data-act="trained"]').count() == 0


def test_the_weights_of_another_run(show):
    page = show(LossPlayground([{"epoch": 1, "segmentation": 4.0, "guided": 1.0}], beta=2.0))
    assert page.locator('[data-act="trained"]').count() == 0
    again = LossPlayground.from_record(RECORD)
    again.data["terms"][1]["trained"] = 0.5  # before it is shown
    page = show(again)
    page.locator('[data-act="trained"]').click()
    assert inspect(page)["beta"] == 0.5


def test_weights_do_not_move_the_dice(show, play):
    page = show(play)
    before = inspect(page)
    page.locator('[data-act="ones"]').click()
    after = inspect(page)
    assert after["total"] != before["total"]
    assert after["dice"] == before["dice"] == play.data["dice"][-1]
    assert "does not retrain the network" in page.locator("section.ga").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_click_key_and_touch_change_the_picture(show, play, width, scheme):
    page = show(play, width=width, scheme=scheme, touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    curves = page.locator("svg.ga-chart")
    curves.scroll_into_view_if_needed()
    box = curves.bounding_box()
    seen = [chart(page)]
    for act in (
        lambda: curves.click(position={"x": box["width"] / 2, "y": 80}),
        lambda: curves.tap(position={"x": 60, "y": 80}),
        lambda: curves.press("ArrowRight"),
        lambda: slide(page, "gamma", "ArrowRight"),
        lambda: choose(page, "view", "shares"),
        lambda: choose(page, "view", "lines"),
    ):
        act()
        seen.append(chart(page))
    assert len(set(seen)) == len(seen)
    agree(inspect(page))


def test_the_cursor(show, play):
    page = show(play)
    curves = page.locator("svg.ga-chart")
    for key, expected in (
        ("Home", 1),
        ("ArrowLeft", 1),
        ("ArrowRight", 2),
        ("PageUp", 7),
        ("End", 10),
        ("ArrowUp", 10),
    ):
        curves.press(key)
        shown = inspect(page)
        assert shown["epoch"] == expected
        agree(shown)
    assert curves.get_attribute("aria-valuetext").startswith("epoch 10, total 0.443")
    box = curves.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 15, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 44, box["y"] + 60, steps=5)
    page.mouse.up()
    assert inspect(page)["epoch"] == 1


def test_without_javascript_there_is_a_picture(show, play):
    page = show(play, wait=False, java_script_enabled=False)
    picture = page.locator("noscript img")
    assert picture.evaluate("img => img.complete && img.naturalWidth") > 300
    assert "Terms of the objective" in picture.get_attribute("alt")
