"""The deck in a browser: slides turn, widgets answer, and neither takes the other's keys."""

from __future__ import annotations

import numpy as np
import pytest
from browser_tools import at, pixels, proportions, settle

from guided_attention.data.phantom import make_phantom, phantom_settings
from guided_attention.models.stored.pretrained import load_pretrained
from guided_attention.widgets.shared.inputs import as_slice
from pipeline.serve import serving

SIZE = (128, 128)
#: A phone; smaller than a slide, as large, larger: reveal.js scales all but the first.
SCREENS = {"phone": (390, 844), "small": (900, 600), "slide": (1280, 720), "wall": (1920, 1080)}


@pytest.fixture(scope="module")
def served(decks):
    """Return the pages of the deck, their address, and no widgets of our own."""
    with serving(decks.html) as address:
        yield decks.html, address, []


@pytest.fixture(scope="module")
def expected():
    """Rows of PyTorch for two pixels at each scale and step: of the network and slice that the deck shows."""
    network, spec = load_pretrained("ms-dual-guided")
    volume = make_phantom(7, phantom_settings("small")).in_phase
    x = as_slice(volume, index=volume.fullest_slice(), inputs=spec.inputs).x
    askers = [(40, 50), (90, 100)]
    maps = network.attention(x, at=askers)
    return {place: dict(zip(askers, rows[0].flatten(1).numpy(), strict=True)) for place, rows in maps.items()}


def visit(show, screen="slide", query="", **options):
    """Open the deck; return it when widgets and formulas stand."""
    width, height = SCREENS[screen]
    page = show.open(f"slides/attention.html{query}", width=width, touch=screen == "phone", **options)
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("[...document.querySelectorAll('.ga-mount')].every(m => m.dataset.state === 'ready')")
    page.evaluate("MathJax.startup.promise.then(() => 0)")
    return page


def where(page) -> int:
    settle(page)
    return page.evaluate("Reveal.getIndices().h")


def state(page) -> dict:
    settle(page)
    return page.eval_on_selector(".ga-position", "root => root.inspect()")


def to_widget(page):
    """Turn slides by keys until the position explorer is there; return its two canvases."""
    for _ in range(30):
        if page.evaluate("!!Reveal.getCurrentSlide().querySelector('.ga-position')"):
            break
        page.keyboard.press("ArrowRight")
    canvases = page.locator(".ga-position .ga-columns canvas")
    canvases.nth(0).scroll_into_view_if_needed()
    settle(page)
    return canvases.nth(0), canvases.nth(1)


@pytest.mark.parametrize("screen", SCREENS)
def test_a_click_gives_the_row_of_pytorch(show, expected, screen):
    page = visit(show, screen)
    asks, answers = to_widget(page)
    assert asks.evaluate("canvas => canvas.width") > 200  # hidden when it was mounted, drawn when it was shown
    seen = [pixels(answers)]
    place = tuple(
        int(page.locator(f'.ga-position [data-trait="{name}"] input:checked').get_attribute("value"))
        for name in ("scale", "step")
    )
    for asker, row in expected[place].items():
        asks.click(position=at(asks, asker, SIZE))
        found = state(page)
        assert found["position"] == list(asker)
        np.testing.assert_allclose(found["row"], row, atol=1e-3, rtol=0)
        seen.append(pixels(answers))
    assert len(set(seen)) == len(seen)
    assert page.locator("mjx-merror").count() == 0


def test_keys_belong_to_whoever_has_the_focus(show):
    page = visit(show)
    asks, _ = to_widget(page)
    slide = where(page)
    asks.click(position=at(asks, (62, 62), SIZE))
    for key in ("ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert state(page)["position"] == [66, 66]
    page.locator('.ga-position [data-act="pin"]').focus()
    page.keyboard.press("Space")
    settle(page)
    assert page.locator(".ga-position tbody tr").count() == 1
    page.get_by_role("button", name="Remove pin A").click()
    assert asks.evaluate("canvas => canvas === document.activeElement")
    assert where(page) == slide
    page.keyboard.press("Escape")  # gives the arrows back, and opens no overview
    assert not page.evaluate("Reveal.isOverview()")
    page.keyboard.press("ArrowRight")
    assert where(page) == slide + 1
    page.keyboard.press("ArrowLeft")
    asks.click(position=at(asks, (62, 62), SIZE))
    page.mouse.click(900, 20)  # beside the widget
    page.keyboard.press("ArrowLeft")
    assert where(page) == slide - 1
    page.keyboard.press("ArrowRight")
    page.locator('.ga-position [data-trait="scale"] input:not(:checked)').first.check()
    page.keyboard.press("PageDown")  # a remote control, just after a button was chosen
    assert where(page) == slide + 1


def test_a_finger_on_a_picture_turns_no_slide(show):
    page = visit(show, "phone")
    asks, _ = to_widget(page)
    slide = where(page)
    finger = page.context.new_cdp_session(page)

    def swipe(locator):
        box = locator.bounding_box()
        x, y = box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2
        for kind, points in (
            ("touchStart", [x]), *(("touchMove", [x - 30 * step]) for step in range(1, 7)), ("touchEnd", []),
        ):  # fmt: skip
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": p, "y": y} for p in points]})

    swipe(asks)
    assert where(page) == slide
    page.evaluate("Reveal.getCurrentSlide().scrollTop = 0")
    swipe(page.locator(".present h2").last)
    assert where(page) == slide + 1


def test_every_slide_fits_and_can_be_read(show):
    for screen in ("slide", "phone"):
        page = visit(show, screen)
        for slide in range(page.evaluate("Reveal.getTotalSlides()")):
            page.evaluate(f"Reveal.slide({slide}, 0, 99)")
            settle(page)
            found = page.evaluate(
                """() => { const s = Reveal.getCurrentSlide(); return {
                title: s.querySelector("h1, h2").textContent,
                wide: s.scrollWidth - s.clientWidth, high: s.scrollHeight - s.clientHeight,
                letters: Math.min(...[...s.querySelectorAll("p, li, td, label, dt, dd, small, .ga-note")]
                  .filter(e => e.offsetHeight > 1).map(e => parseFloat(getComputedStyle(e).fontSize))) } }"""
            )
            assert found["wide"] <= 1, found
            if screen == "slide":
                assert found["high"] <= 1, found
                assert found["letters"] >= 15, found


def test_pictures_keep_their_proportions(show):
    for screen in SCREENS:
        page, found = visit(show, screen), []
        for slide in range(page.evaluate("Reveal.getTotalSlides()")):
            page.evaluate(f"Reveal.slide({slide}, 0, 99)")
            found += proportions(page.locator("section.present > section.present"))
        assert len(found) == page.locator("img").count() >= 3
        assert [pair for pair in found if abs(pair[1] - 1) > 0.02] == [], screen


def test_the_speakers_view_has_the_notes(show):
    page = visit(show)
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    notes = opened.value.locator(".speaker-controls-notes .value")
    notes.get_by_text("25 minutes").wait_for()
    upcoming = opened.value.frame_locator("#upcoming-slide iframe")
    upcoming.locator(".deck-wide").wait_for(state="attached")  # a small frame is no phone
    page.keyboard.press("ArrowRight")
    notes.get_by_text("Radiological orientation").wait_for()
    opened.value.close()


def test_printed_each_slide_has_a_page(show):
    slides = visit(show).evaluate("Reveal.getTotalSlides()")  # printed, it was seen to count one more
    page = visit(show, query="?print-pdf")
    page.wait_for_selector(".pdf-page")
    assert page.locator(".pdf-page").count() == slides >= 10
    assert page.locator(".pdf-page .ga-position canvas").first.evaluate("canvas => canvas.width") > 300
    sheets = page.pdf(prefer_css_page_size=True, print_background=True).count(b"/MediaBox")
    assert sheets == page.locator(".pdf-page").count()
