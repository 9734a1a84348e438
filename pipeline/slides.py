"""Decks for lessons: ``slides/NAME.md`` -> ``_build/html/slides/NAME.html`` (page *Teaching with this book*).

A deck is a notebook as text, as a chapter is, whose cells say in their metadata where a slide begins. nbconvert divides
it into slides; the page around them is our own (``templates/deck``), so that it fetches nothing from another host:
reveal.js and MathJax are the copies that the book brings, and widgets have their scripts with them.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from guided_attention.files import write_text
from pipeline.chapters import execute_decks
from pipeline.layout import Book, BookError
from pipeline.pages import machine_paths, page_problems

__all__ = ["deck_page", "make_slides", "write_decks"]

_TEMPLATES = Path(__file__).parent / "templates"
#: What the page of a deck fetches, from the folder above it; the book's own pages share the second.
_VENDORED = ("reveal", "mathjax")
_LINK = re.compile(r"\]\(\.\./(?P<page>(?:chapters|book)/\w+)\.md(?P<anchor>#[^)\s]*)?\)")


def make_slides(book: Book, preset: str = "quick") -> list[Path]:
    """Execute all decks, unless nothing changed, and write their pages.

    Parameters
    ----------
    book : Book
        The book.
    preset : str
        Replaces the ``preset`` of each deck's ``parameters`` cell.

    Returns
    -------
    list of Path
        The pages, ``_build/html/slides/NAME.html``.

    Raises
    ------
    BookError
        If a deck fails, or as for `write_decks`.
    """
    execute_decks(book, preset)
    return write_decks(book)


def write_decks(book: Book) -> list[Path]:
    """Write the pages of all decks, which `execute_decks` has executed; return their paths.

    Raises
    ------
    BookError
        If a link of a deck leads nowhere, or its page would fetch something from another host, shows a picture without
        alt text, a traceback, or a path of this machine.
    """
    import nbformat

    pages = []
    for name in book.decks:
        text = book.text(name)
        notebook = nbformat.read(book.executed(name) / f"{text.stem}.ipynb", as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell["source"] = _link_to_pages(cell.source, book, name)
        page = deck_page(notebook)
        problems = page_problems(page, machine_paths(book))
        if problems:
            raise BookError("\n  ".join([f"{name}.md: the deck is not as it should be:", *problems]))
        pages.append(write_text(book.html / f"{name}.html", page))
    for folder in _VENDORED if pages else ():
        shutil.copytree(book.root / "book" / "_vendor" / folder, book.html / folder, dirs_exist_ok=True)
    return pages


def deck_page(notebook: Any) -> str:
    """Return the page of an executed deck, to be kept one folder below ``reveal/`` and ``mathjax/``.

    As on the book's pages, cells tagged ``remove-cell``, and the input of those tagged ``remove-input``, are not
    shown, and the alt text of a picture is its cell's ``mystnb: {image: {alt: ...}}``.

    Parameters
    ----------
    notebook : NotebookNode
        With outputs; its first cell has the title, ``# Title``.
    """
    from nbconvert.exporters import SlidesExporter
    from traitlets.config import Config

    settings = Config()
    settings.TagRemovePreprocessor.enabled = True
    settings.TagRemovePreprocessor.remove_cell_tags = {"remove-cell", "parameters", "injected-parameters"}
    settings.TagRemovePreprocessor.remove_input_tags = {"remove-input"}
    exporter = SlidesExporter(
        config=settings,
        template_name="deck",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    title = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)
    parts = {path.stem: path.read_text(encoding="utf-8") for path in (_TEMPLATES / "deck").glob("deck_*")}
    page, _ = exporter.from_notebook_node(notebook, resources={"deck": {"title": title[1] if title else "", **parts}})
    return page


def _link_to_pages(text: str, book: Book, name: str) -> str:
    """Links name the ``.md`` of a page, so that they work on GitHub; here it is an ``.html``."""

    def swap(link: re.Match[str]) -> str:
        if link["page"] not in book.pages:
            raise BookError(f"{name}.md links to {link['page']}.md, which is no page of the book (_toc.yml).")
        return f"](../{link['page']}.html{link['anchor'] or ''})"

    return _LINK.sub(swap, text)
