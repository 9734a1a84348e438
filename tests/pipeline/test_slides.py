"""The deck for lessons: executed, whole, alive without a network, and refused where it is not."""

import hashlib
import json
import re
from html.parser import HTMLParser

import nbformat
import pytest

from pipeline.__main__ import main
from pipeline.layout import BookError
from pipeline.pages import check_pages, page_problems
from pipeline.slides import write_decks
from small_book import ROOT
from small_deck import deck_book


class Outline(HTMLParser):
    """Addresses that a page fetches, and the headings of its slides with the notes under each."""

    def __init__(self):
        super().__init__()
        self.fetched, self.slides, self.depth, self.notes, self.heading = [], [], 0, False, False

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.fetched += [values[name] for name in ("src", "href") if tag != "a" and values.get(name)]
        if tag == "section":
            self.depth += 1
            if self.depth == 2:
                self.slides.append({"title": "", "notes": ""})
        self.notes = self.notes or tag == "aside"
        self.heading = self.heading or tag in {"h1", "h2"}

    def handle_endtag(self, tag):
        self.depth -= tag == "section"
        self.notes = self.notes and tag != "aside"
        self.heading = self.heading and tag not in {"h1", "h2"}

    def handle_data(self, data):
        if self.depth == 2 and (self.notes or self.heading):
            self.slides[-1]["notes" if self.notes else "title"] += data


@pytest.fixture(scope="module")
def page(decks):
    return (decks.html / "slides" / "attention.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(page):
    found = Outline()
    found.feed(page)
    return found


def test_a_lesson_of_slides_with_titles_and_notes(page, outline):
    assert "<title>Position attention, from equation to picture</title>" in page
    assert 10 <= len(outline.slides) <= 14
    for slide in outline.slides:
        assert slide["title"].strip()
        assert len(slide["notes"].split()) > 10, slide["title"]
        assert "$" not in slide["notes"]  # the speaker's view has no MathJax


def test_every_cell_was_executed(decks):
    notebook = nbformat.read(decks.build / "slides" / "attention.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert max(len(cell.source.splitlines()) for cell in code) <= 15
    assert sum("assert" in cell.source for cell in code) >= 5
    assert "widgets" not in notebook.metadata  # no state of a kernel
    cost = json.loads((decks.build / "slides" / "attention.json").read_text())
    assert cost["seconds"] < 60


def test_nothing_comes_from_elsewhere(decks, page, outline):
    assert page_problems(page) == []
    assert not [name for name in ("cdn.", "cdnjs", "unpkg.com", "require(", "require.js") if name in page]
    here = decks.html / "slides"
    for address in outline.fetched:
        assert address.startswith("data:") or (here / address).is_file(), address
    assert {address.split("/")[1] for address in outline.fetched if address.startswith("../")} == {"reveal", "mathjax"}


def test_three_widgets_in_less_than_two_megabytes(page):
    assert page.count('class="ga-mount') == 3
    assert len(page.encode()) < 2_000_000


def test_links_lead_to_pages_of_the_book(decks, page):
    targets = re.findall(r'<a href="\.\./([^"]+)\.html"', page)
    assert len(targets) >= 4
    assert set(targets) <= set(decks.pages)


def test_a_missing_deck_fails_the_checks(decks, tmp_path):
    assert "slides/attention.html is missing" in check_pages(decks, tmp_path)
    assert "slides/attention.html is missing" not in check_pages(decks)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (nbformat.v4.new_markdown_cell("[no](../chapters/99_nowhere.md)"), "99_nowhere.md, which is no page"),
        (nbformat.v4.new_markdown_cell('<img alt="A cat" src="https://example.org/cat.png">'), "fetches https"),
        (nbformat.v4.new_markdown_cell("<script>import x from 'https://example.org/x.js'</script>"), "from a script"),
        (
            nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", {"image/png": "AAAA"})]),
            "without alt text",
        ),
    ],
)
def test_a_deck_that_would_fail_in_the_room_is_refused(tmp_path, cell, message):
    book = deck_book(tmp_path / "book")
    (book.build / "slides").mkdir(parents=True)
    cells = [nbformat.v4.new_markdown_cell("# Title"), cell]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), book.build / "slides" / "attention.ipynb")
    with pytest.raises(BookError, match=message):
        write_decks(book)
    assert not (book.html / "slides").exists()


def test_a_deck_that_is_not_there_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(deck_book(tmp_path / "book").root)
    assert main(["execute", "slides/nothing"]) == 1
    assert "slides/nothing.md does not exist. There are: slides/attention" in capsys.readouterr().err


def test_vendored_reveal_is_as_published():
    folder = ROOT / "book" / "_vendor" / "reveal"
    sums = dict(line.split()[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {*sums, "README.md", "SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
