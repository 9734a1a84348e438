"""The finished pages in a real browser: no error, no formula that failed, nothing from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from browser_tools import serve

from guided_attention.book.layout import Book
from guided_attention.report import load_results, report_digest

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
PAGES = Book(ROOT).pages
#: Jupyter Book 1 puts the same inline script of sphinx-thebe on every page twice.
KNOWN = "Identifier 'THEBE_JS_URL' has already been declared"
pytestmark = pytest.mark.built_book


@pytest.fixture(scope="module")
def served():
    """Return the built book, its address, and no widgets of our own."""
    with serve(HTML) as address:
        yield HTML, address, []


def visit(show, page, **options):
    """Open a page of the book; return it when formulas and widgets stand."""
    opened = show.open(f"{page}.html", **options)
    opened.wait_for_load_state("load")
    if opened.locator(".math").count():
        opened.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
        opened.evaluate("MathJax.startup.promise.then(() => 0)")
    opened.wait_for_function(
        "[...document.querySelectorAll('.ga-mount')].every(mount => mount.dataset.state === 'ready')", timeout=15000
    )
    show.complaints[:] = [words for words in show.complaints if KNOWN not in words]
    return opened


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


def test_pages_with_widgets_are_small():
    """A page and what it shows, without what all pages share."""
    text = {page: (HTML / f"{page}.html").read_text(encoding="utf-8") for page in PAGES}
    with_widgets = [page for page in PAGES if "ga-mount" in text[page]]
    assert with_widgets
    for page in with_widgets:
        pictures = set(re.findall(r"_images/([\w.-]+)", text[page]))
        size = len(text[page].encode()) + sum((HTML / "_images" / name).stat().st_size for name in pictures)
        assert size < 1.5e6, f"{page}: {size} bytes"


def test_report_and_chapters_have_one_source():
    """The digest that `guided-attention report` prints is the one on the pages of the result chapters."""
    digest = report_digest(load_results(ROOT / "results", "phantom-t1dual-in"))
    for chapter in ("10_ablation", "11_state_of_the_art"):
        notebook = json.loads((ROOT / "_build" / "stage" / "chapters" / f"{chapter}.ipynb").read_text())
        assert digest in json.dumps(notebook["cells"])
        assert digest in (HTML / "chapters" / f"{chapter}.html").read_text(encoding="utf-8")
