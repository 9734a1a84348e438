"""The first page: before anybody scrolls there are two buttons that lead somewhere, and a living explorer."""

from __future__ import annotations

import pytest
from browser_tools import at, inspect, pixels
from built_pages import ROOT, served, visit  # noqa: F401  (a fixture)

from pipeline.layout import Book

pytestmark = pytest.mark.built_book
PAGE = "book/index"
SCREENS = [
    {"width": 1440, "height": 900},
    {"width": 1440, "height": 900, "scheme": "dark"},
    {"width": 390, "height": 844, "touch": True},
    {"width": 390, "height": 844, "touch": True, "scheme": "dark"},
]
ANSWERS = "section.ga canvas >> nth=1"


def opened(show, height=900, **options):
    page = visit(show, PAGE, **options)
    page.set_viewport_size({"width": options["width"], "height": height})
    return page


@pytest.mark.parametrize("screen", SCREENS)
def test_sentence_buttons_and_picture_stand_above_the_fold(show, screen):
    page = opened(show, **screen)
    for part in (".landing-lead", ".landing-buttons", ANSWERS):
        box = page.locator(part).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= screen["height"], part
    assert page.locator(".landing-buttons a").count() == 2


@pytest.mark.parametrize("screen", [SCREENS[0], SCREENS[3]])
def test_the_explorer_opens_on_organs_and_answers_to_click_and_key(show, screen):
    page = opened(show, **screen)
    first, picture = inspect(page), page.locator(ANSWERS)
    drawn = pixels(picture)
    assert first["entropy"] < 8.5  # of 10 bits
    assert sum(first["shares"][1:]) > 0.4
    size = (128, 128)
    act = picture.tap if screen.get("touch") else picture.click
    act(position=at(picture, (60, 45), size))
    second = inspect(page)
    assert max(abs(second["position"][0] - 60), abs(second["position"][1] - 45)) <= 4
    assert second["row"] != first["row"]
    assert pixels(picture) != drawn
    picture.focus()
    page.keyboard.press("ArrowDown")
    assert inspect(page)["position"][0] > second["position"][0]


def test_the_buttons_lead_where_they_say(show):
    page = opened(show, **SCREENS[0])
    assert page.get_by_role("link", name="Open in Colab").get_attribute("href") == Book(ROOT).colab(
        "04_position_attention"
    )
    page.get_by_role("link", name="Start reading").click()
    page.wait_for_url("**/chapters/01_data.html")
    assert page.locator(".bd-article h1").inner_text().startswith("From scanner to tensor")


def test_without_scripts_there_is_a_picture_with_words(show):
    page = show.open(f"{PAGE}.html", java_script_enabled=False)
    still = page.locator(".landing-explorer img")
    assert still.is_visible()
    assert "patient's right is on the picture's left" in still.get_attribute("alt")
    assert "synthetic" in page.locator(".landing-caption").first.inner_text()


def test_the_page_itself_is_light(show):
    found = {}
    visit(show, PAGE, heard=lambda response: found.update({response.url: response}))
    own = next(response for address, response in found.items() if address.endswith(f"{PAGE}.html"))
    assert int(own.headers["content-length"]) < 180_000  # compressed, the explorer and its script included
