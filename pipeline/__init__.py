"""How the book is made: text -> notebooks -> papermill -> pages.

``python -m pipeline build | slides | notebooks | check``; the Makefile calls it. It is part of the
package, not a folder of scripts, so that the same types, docstrings, tests and linter serve it.

1. `notebooks`: ``chapters/*.md`` -> ``notebooks/*.ipynb``, without outputs, with a header for Colab.
2. `chapters`: every chapter is executed by papermill in a process of its own, its time and memory recorded.
3. `stage`: a copy of the book's tree with the executed chapters in it, ready for Jupyter Book.
4. `build`: Jupyter Book makes the pages, `pages` checks them.
5. `slides`: the decks of ``slides/*.md``, executed in the same way, become pages of their own.
"""

from __future__ import annotations

from pipeline.layout import Book, BookError

__all__ = ["Book", "BookError"]
