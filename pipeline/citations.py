"""Citations as words: author and year in the text, the list at the end, from ``book/references.bib``.

Names, years and entries are those that sphinxcontrib-bibtex writes on the pages: both ask pybtex.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.layout import Book, BookError

__all__ = ["cite", "reference_list"]


def cite(book: Book, keys: Sequence[str], textual: bool) -> str:
    """Write citations in Markdown: ``[Fu et al., 2019]``, or ``Fu et al. [2019]`` as part of a sentence.

    Parameters
    ----------
    book : Book
        Whose ``book/references.bib`` is read.
    keys : sequence of str
        Keys of the entries.
    textual : bool
        True for ``{cite:t}``, False for ``{cite:p}``.

    Raises
    ------
    BookError
        If an entry is missing.
    """
    named = [_author_and_year(book, key) for key in keys]
    if textual:
        return ", ".join(f"{author} [{year}]" for author, year in named)
    return "[" + ", ".join(f"{author}, {year}" for author, year in named) + "]"


def reference_list(book: Book, keys: Sequence[str]) -> str:
    """Write the cited entries as a Markdown list in the order of their authors, as at the end of a page."""
    _known(book, keys)
    database, style, backend = _library(book.root / "book" / "references.bib")
    entries = style.format_bibliography(database, list(dict.fromkeys(keys)))
    return "\n".join("- " + _markdown(entry.text, backend).replace("\n", " ") for entry in entries)


def _author_and_year(book: Book, key: str) -> tuple[str, str]:
    from sphinxcontrib.bibtex.style.referencing import PersonStyle

    _known(book, [key])
    database, _, backend = _library(book.root / "book" / "references.bib")
    person, entry = PersonStyle(), database.entries[key]
    template = person.author_or_editor_or_title(full=False)
    words = template.format_data({"entry": entry, "style": SimpleNamespace(person=person)})
    return _markdown(words, backend), entry.fields["year"]


def _markdown(text: Any, backend: Any) -> str:
    """Render pybtex's rich text; it escapes all punctuation, also in formulas, which would break them."""
    return re.sub(r"\\([^\w\s*_`\[\]\\])", r"\1", text.render(backend))


def _known(book: Book, keys: Sequence[str]) -> None:
    database, *_ = _library(book.root / "book" / "references.bib")
    missing = [key for key in keys if key not in database.entries]
    if missing:
        raise BookError(f"book/references.bib has no entry {', '.join(missing)}, which a chapter cites.")


@lru_cache(maxsize=4)
def _library(path: Path) -> tuple[Any, Any, Any]:
    """The entries, pybtex's style, and its Markdown."""
    from pybtex.database import parse_file
    from pybtex.plugin import find_plugin

    style = find_plugin("pybtex.style.formatting", "plain")(sorting_style="author_year_title")
    return parse_file(str(path)), style, find_plugin("pybtex.backends", "markdown")()
