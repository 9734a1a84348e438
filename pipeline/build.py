"""From chapters to checked pages: everything that ``make book`` does after set-up (page *How to use this book*)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from pipeline.chapters import execute_chapters, execute_decks
from pipeline.layout import Book, BookError
from pipeline.lighten import lighten
from pipeline.notebooks import stale_notebooks
from pipeline.pages import check_pages
from pipeline.slides import write_decks
from pipeline.stage import stage
from pipeline.status import describe_machine

__all__ = ["build_book", "make_data", "make_pages"]


def build_book(book: Book, preset: str = "quick", jobs: int | None = None) -> Path:
    """Make data, execute the chapters, make the pages, check them; return the folder of the pages.

    Parameters
    ----------
    book : Book
        The book.
    preset : str
        For every chapter.
    jobs : int, optional
        Chapters side by side.

    Raises
    ------
    BookError
        If a chapter fails, Sphinx warns, or a page is not as it should be.
    """
    clock = time.perf_counter()
    stale = stale_notebooks(book)
    if stale:  # the pages are made from the text, so this stops nobody; the tests do
        names = ", ".join(str(path.relative_to(book.root)) for path in stale)
        print(f"note: {names}: not what the chapters say. Run `make notebooks` before you commit.", flush=True)
    _say("data", clock)
    make_data(book)
    _say(f"chapters: {', '.join(book.chapters)}", clock)
    costs = execute_chapters(book, preset, jobs)
    execute_decks(book, preset, jobs)
    _say("pages", clock)
    make_pages(book, stage(book, costs, describe_machine(costs)))
    lighten(book.html)
    write_decks(book)
    _say("checks", clock)
    problems = check_pages(book)
    if problems:
        raise BookError("the pages are not as they should be:\n" + "\n".join(f"  {line}" for line in problems))
    _say(f"{len(book.pages)} pages in {(book.html / 'index.html').relative_to(book.root)}", clock)
    return book.html


def make_data(book: Book) -> Path:
    """Make the small phantom in ``_build/data/phantom`` unless the present code has made it already.

    The book has its own copy: numbers asserted in the chapters must not depend on what a reader keeps in ``data/``.
    """
    from guided_attention.data import write_phantom

    root = book.build / "data" / "phantom"
    stamp = book.build / "data" / "phantom.key"
    digest = hashlib.sha256()
    for path in sorted((book.root / "src" / "guided_attention" / "data").rglob("*.py")):
        digest.update(path.read_bytes())
    key = digest.hexdigest()
    if not (stamp.is_file() and stamp.read_text() == key):
        shutil.rmtree(root, ignore_errors=True)
        stamp.unlink(missing_ok=True)
        write_phantom(root, preset="small")
        stamp.write_text(key)
    return root


def make_pages(book: Book, staged: Path) -> None:
    """Let Jupyter Book turn a staged tree into ``_build/html``; every warning is an error.

    Raises
    ------
    BookError
        If it warns or fails; what it said has been printed.
    """
    for old in (book.html, book.build / ".doctrees"):
        shutil.rmtree(old, ignore_errors=True)
    script = "from jupyter_book.cli.main import main; main()"  # jupyter-book has no __main__
    command = [sys.executable, "-c", script, "build", str(staged), "--path-output", str(book.root)]
    command += ["-W", "-n", "--keep-going", "--quiet"]
    done = subprocess.run(
        command,
        cwd=book.root,
        env={**os.environ, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (book.build / "sphinx.log").write_text(done.stdout, encoding="utf-8")
    if done.returncode:
        raise BookError(f"{done.stdout}\nJupyter Book failed or warned; see the lines above and _build/sphinx.log.")
    costs = sorted((book.build / "chapters").glob("*.json"))
    summary = [json.loads(path.read_text(encoding="utf-8")) for path in costs if path.stem in book.chapters]
    (book.build / "costs.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def _say(what: str, clock: float) -> None:
    print(f"[{time.perf_counter() - clock:5.0f} s] {what}", flush=True)
