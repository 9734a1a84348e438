"""The book's decks, executed away from the checkout, for tests."""

import shutil
from pathlib import Path

from pipeline.layout import Book
from small_book import ROOT


def deck_book(root: Path) -> Book:
    """Write a book below ``root`` with the real one's pages, decks and vendored scripts, and no chapters."""
    (root / "book").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "slides", root / "slides")
    (root / "book" / "_vendor").symlink_to(ROOT / "book" / "_vendor")
    return Book(root)
