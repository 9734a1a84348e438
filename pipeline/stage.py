"""A copy of the book's tree for Jupyter Book: front matter, executed chapters, times (page *How to use this book*)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pipeline.execute import Cost
from pipeline.exercises import show_starters, starters
from pipeline.header import links_under_title
from pipeline.landing import EXPLORER_MARK, buttons_to_colab, explorer
from pipeline.layout import Book, BookError
from pipeline.status import COSTS_MARK, cost_table

__all__ = ["stage"]


def stage(book: Book, costs: list[Cost], machine: str) -> Path:
    """Make ``_build/stage`` anew and return it.

    Parameters
    ----------
    book : Book
        The book; its chapters have been executed into ``_build/chapters``.
    costs : list of Cost
        What each took, for the status page.
    machine : str
        Sentence about where they ran.

    Raises
    ------
    BookError
        If the status page has no place for the table.
    """
    target = book.build / "stage"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(book.root / name, target)
    shutil.copytree(book.root / "book", target / "book")
    for page in (target / "book").rglob("*.md"):
        page.write_text(_link_to_notebooks(page.read_text(encoding="utf-8"), book), encoding="utf-8")
    _write_landing(book, target / "book" / "index.md")
    _write_status(target / "book" / "status.md", costs, machine)
    (target / "chapters").mkdir()
    for stem in book.chapters:
        _stage_chapter(book, stem, target / "chapters" / f"{stem}.ipynb")
    return target


def _stage_chapter(book: Book, stem: str, target: Path) -> None:
    import nbformat

    notebook = nbformat.read(book.build / "chapters" / f"{stem}.ipynb", as_version=4)
    answers = starters(notebook.cells)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell["source"] = show_starters(_link_to_notebooks(cell.source, book), answers)
            if number == 0:
                cell["source"] = links_under_title(cell.source, book, stem)
    nbformat.write(notebook, target)


def _link_to_notebooks(text: str, book: Book) -> str:
    """Links between sources name the chapter's ``.md``, so that they work on GitHub; here it is an ``.ipynb``."""

    def swap(link: re.Match[str]) -> str:
        return link.group().replace(".md", ".ipynb") if link["stem"] in book.chapters else link.group()

    return re.sub(r"\]\((?:\.\./)?(?:chapters/)?(?P<stem>\d\d_\w+)\.md(?:#[^)\s]*)?\)", swap, text)


def _write_landing(book: Book, page: Path) -> None:
    text = buttons_to_colab(page.read_text(encoding="utf-8"), book)
    if EXPLORER_MARK in text:  # a book of another kind may do without
        text = text.replace(EXPLORER_MARK, _link_to_notebooks(explorer(), book))
    page.write_text(text, encoding="utf-8")


def _write_status(page: Path, costs: list[Cost], machine: str) -> None:
    text = page.read_text(encoding="utf-8")
    if text.count(COSTS_MARK) != 1:
        raise BookError(f"book/status.md must hold the line {COSTS_MARK!r} once; the table goes there.")
    page.write_text(text.replace(COSTS_MARK, f"{cost_table(costs)}\n\n{machine}"), encoding="utf-8")
