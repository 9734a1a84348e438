"""The built book for the tests of its pages: where it lies, and how a page of it is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.layout import Book
from pipeline.serve import serving

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
PAGES = Book(ROOT).pages
#: Pages on which a widget waits for its script; before `make book` there are none.
WITH_WIDGETS = [
    page
    for page in PAGES
    if (HTML / f"{page}.html").is_file() and "ga-mount" in (HTML / f"{page}.html").read_text(encoding="utf-8")
]
#: Jupyter Book 1 puts the same inline script of sphinx-thebe on every page twice.
KNOWN = "Identifier 'THEBE_JS_URL' has already been declared"


@pytest.fixture(scope="module")
def served():
    """Return the built book, its address, and no widgets of our own."""
    with serving(HTML) as address:
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
