"""The finished pages in a real browser: no error, no formula that failed, nothing from elsewhere."""

from __future__ import annotations

import json
import re

import pytest
from browser_tools import proportions, settle
from built_pages import HTML, PAGES, ROOT, WITH_WIDGETS, served, visit  # noqa: F401  (a fixture)

from guided_attention.report import load_results, report_digest

pytestmark = pytest.mark.built_book


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_whole_on_a_screen_and_on_a_phone(show, page):
    for options in ({"width": 1440}, {"width": 390, "scheme": "dark", "touch": True}):
        opened = visit(show, page, **options)
        failed = opened.locator("mjx-merror").evaluate_all("nodes => nodes.map(node => node.textContent)")
        assert failed == []
        wide = opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 2, f"wider than the screen by {wide} pixels at {options}"
        assert opened.locator("h1").count() >= 1
    assert show.complaints == []


#: What a page is drawn on: the width of its window, and whether it is paper (A4 less margins of a centimetre).
DRAWN_ON = {"desktop": (1440, "screen"), "phone": (390, "screen"), "paper": (718, "print")}


def keeps_proportions(opened, number):
    """Whether all pictures of an open page, so many, are drawn as wide for their height as their files are."""
    for width, medium in DRAWN_ON.values():
        opened.set_viewport_size({"width": width, "height": 900})
        opened.emulate_media(media=medium)
        found = proportions(opened.locator("body"))
        assert len(found) == number, f"at {width}, {medium}: {[alt for alt, _ in found]}"
        squashed = [f"{ratio:.2f} of {alt}" for alt, ratio in found if abs(ratio - 1) > 0.02]
        assert squashed == [], f"at {width}, {medium}"


@pytest.mark.parametrize("page", PAGES)
def test_pictures_keep_their_proportions(show, page):
    text = (HTML / f"{page}.html").read_text(encoding="utf-8")
    without_stills = re.sub(r"<noscript>.*?</noscript>", "", text, flags=re.DOTALL)
    keeps_proportions(visit(show, page), without_stills.count("<img "))


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_cut_off_on_paper(show, page):
    """What scrolls on a screen, on paper ends at the margin."""
    opened = visit(show, page)
    width, medium = DRAWN_ON["paper"]
    opened.set_viewport_size({"width": width, "height": 900})
    opened.emulate_media(media=medium)
    settle(opened)
    cut = opened.evaluate(
        """() => [...document.querySelectorAll(".bd-article *")].filter(e => e.scrollWidth > e.clientWidth + 1
        && ["auto", "scroll"].includes(getComputedStyle(e).overflowX)).map(e => [e.scrollWidth, e.clientWidth,
        e.tagName, e.textContent.trim().slice(0, 60)])"""
    )
    assert cut == []


@pytest.mark.parametrize("page", WITH_WIDGETS)
def test_pictures_keep_their_proportions_without_javascript(show, page):
    text = (HTML / f"{page}.html").read_text(encoding="utf-8")
    assert text.count('<img class="ga-picture"') == text.count('class="ga-mount ')
    keeps_proportions(show.open(f"{page}.html", java_script_enabled=False), text.count("<img "))


@pytest.mark.parametrize("page", WITH_WIDGETS)
def test_pages_with_widgets_are_small(show, page):
    """What a first visitor loads, theme and formulas included, as a web host sends it: text compressed."""
    found = {}
    opened = visit(show, page, heard=lambda response: found.update({response.url: response}))
    opened.wait_for_load_state("networkidle")
    sent = {address: int(response.headers["content-length"]) for address, response in found.items()}
    assert any(address.endswith(f"{page}.html") for address in sent)
    assert sum(sent.values()) < 1.5e6
    own = [found[address] for address in found if address.endswith(".html") or "/_images/" in address]
    assert sum(len(response.body()) for response in own) < 1.5e6  # as they lie on the disk


def test_report_and_chapters_have_one_source():
    """The digest that `guided-attention report` prints is the one on the pages of the result chapters."""
    digest = report_digest(load_results(ROOT / "results", "phantom-t1dual-in"))
    for chapter in ("14_ablation", "15_state_of_the_art"):
        notebook = json.loads((ROOT / "_build" / "stage" / "chapters" / f"{chapter}.ipynb").read_text())
        assert digest in json.dumps(notebook["cells"])
        assert digest in (HTML / "chapters" / f"{chapter}.html").read_text(encoding="utf-8")
