"""Chapters as notebooks: ``chapters/NN.md`` -> ``notebooks/NN.ipynb``, no outputs (page *How to use this book*)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.exercises import notebook_exercises
from pipeline.header import header_cells
from pipeline.layout import Book, BookError
from pipeline.plain import cited_keys, find_places, plain_markdown

__all__ = ["make_notebook", "read_chapter", "stale_notebooks", "write_notebooks"]


def read_chapter(book: Book, stem: str) -> Any:
    """Read the text of a chapter, or of a deck (``slides/NAME``), as a notebook node.

    Raises
    ------
    BookError
        If it is missing, has no title, or no cell tagged ``parameters``.
    """
    import jupytext

    path = book.text(stem)
    notebook = jupytext.read(path, fmt="md:myst")
    name = path.relative_to(book.root)
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or "# " not in first.source:
        raise BookError(f"{name}: the first cell must be Markdown with the chapter's title, '# Title'.")
    if sum("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells) != 1:
        raise BookError(f"{name}: exactly one cell must be tagged 'parameters'; it says preset = \"quick\".")
    return notebook


def make_notebook(book: Book, stem: str) -> Any:
    """Make the notebook of a chapter: header, then its cells, with room for answers; ids follow from name and position.

    jupytext draws cell ids at random, so that a notebook would differ each time that it is made.

    Returns
    -------
    NotebookNode
        nbformat 4.5, no outputs, no execution counts.
    """
    import nbformat

    chapter = read_chapter(book, stem)
    titles = {label: place.title for label, place in find_places(book).items()}
    cited = cited_keys(cell.source for cell in chapter.cells if cell.cell_type == "markdown")
    cells = header_cells(book, stem) + notebook_exercises(chapter.cells, titles)
    for number, cell in enumerate(cells):
        cell["id"] = f"{stem}-{number:03d}"
        if cell.cell_type == "markdown":
            cell["source"] = plain_markdown(cell.source, book, stem, cited)
        else:
            cell["outputs"], cell["execution_count"] = [], None
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(notebook)
    return notebook


def _text(book: Book, stem: str) -> str:
    import nbformat

    return nbformat.writes(make_notebook(book, stem)).rstrip("\n") + "\n"


def _wanted(book: Book) -> dict[Path, str]:
    return {book.notebooks / f"{stem}.ipynb": _text(book, stem) for stem in book.chapters}


def write_notebooks(book: Book) -> list[Path]:
    """Write the notebooks of all chapters, remove those without a chapter, and return the files that changed."""
    wanted = _wanted(book)
    stale = stale_notebooks(book, wanted)
    book.notebooks.mkdir(exist_ok=True)
    for path in stale:
        if path in wanted:
            path.write_text(wanted[path], encoding="utf-8", newline="\n")
        else:
            path.unlink()
    return stale


def stale_notebooks(book: Book, wanted: dict[Path, str] | None = None) -> list[Path]:
    """List notebooks that differ from their chapter, are missing, or have no chapter.

    Parameters
    ----------
    book : Book
        The book.
    wanted : dict Path -> str, optional
        What each notebook should contain; worked out from the chapters if not given.
    """
    wanted = _wanted(book) if wanted is None else wanted
    differ = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return differ + [path for path in sorted(book.notebooks.glob("*.ipynb")) if path not in wanted]
