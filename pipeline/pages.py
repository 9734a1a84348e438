"""Check the finished pages: a build that made nothing, or nonsense, must not pass (page *How to use this book*)."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

from pipeline.layout import Book

__all__ = ["check_pages", "machine_paths", "page_problems"]

_FAULTS = {
    "a traceback": "Traceback (most recent call last)",
    "a cell that timed out": "CellTimeoutError",
    "output on standard error": 'class="output stderr',
    "an error of MyST or Sphinx": 'class="system-message',
}
#: Attributes through which a page fetches something by itself; a link that the reader clicks (<a href>) is not one.
_FETCHED = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
}
_FETCHED_LINKS = {"stylesheet", "preload", "modulepreload", "prefetch", "icon", "shortcut icon", "preconnect"}
_REMOTE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
#: Sphinx wraps an equation with a line break in an environment in which MathJax refuses a number.
_TAG_IN_SPLIT = re.compile(r"\\begin\{split\}(?:(?!\\end\{split\}).)*?\\tag\b", re.DOTALL)
_REMOTE_IN_CSS = re.compile(r"(?:@import\s+|url\(\s*)[\"']?(?:https?:)?//[^\"')\s]+", re.IGNORECASE)
_REMOTE_IN_SCRIPT = re.compile(
    r"(?:import|\bfrom|fetch|src\s*=|importScripts)\s*\(?\s*[\"']https?://[^\"']+", re.IGNORECASE
)


class _Page(HTMLParser):
    """Collect what a page fetches, its pictures without words, and its inline scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        values = {name: value or "" for name, value in attrs}
        fetched = [values[name] for name in _FETCHED.get(tag, ()) if name in values]
        if tag == "link" and values.get("rel", "").lower() in _FETCHED_LINKS:
            fetched.append(values.get("href", ""))
        self.problems += [f"fetches {address}" for address in fetched if _REMOTE.match(address)]
        if tag == "img":
            words = values.get("alt", "").strip()
            if not words or words == values.get("src") or re.fullmatch(r"\S+\.(png|svg|jpe?g|gif|webp)", words):
                self.problems.append(f"has a picture without alt text: {values.get('src', '')[:80]}")
        self.script = tag == "script"

    def handle_data(self, data: str) -> None:
        """Look at the text of an inline script."""
        if self.script:
            self.problems += [f"fetches from a script: {found}" for found in _REMOTE_IN_SCRIPT.findall(data)]
            self.script = False


def machine_paths(book: Book) -> tuple[str, ...]:
    """Paths of this machine that no page may show: checkout, home, Python."""
    paths = {str(book.root), sys.prefix, sys.base_prefix + "/lib/python", str(Path.home()) + "/"}
    return tuple(sorted(path for path in paths if len(path.strip("/")) > 1))


def page_problems(text: str, paths: tuple[str, ...] = ()) -> list[str]:
    """List what is wrong with one page of HTML.

    Parameters
    ----------
    text : str
        The page.
    paths : tuple of str
        Paths that it may not show.
    """
    problems = [f"shows {what}" for what, sign in _FAULTS.items() if sign in text]
    problems += [f"shows a path of this machine: {path}" for path in paths if path in text]
    problems += ["numbers an equation of several lines, which MathJax refuses"] * bool(_TAG_IN_SPLIT.search(text))
    page = _Page()
    page.feed(text)
    problems += page.problems
    return problems + [f"fetches from a style: {found}" for found in _REMOTE_IN_CSS.findall(text)]


def check_pages(book: Book, html: Path | None = None) -> list[str]:
    """List everything that is wrong with the built book; an empty list means that all is well.

    Every page of ``_toc.yml`` and every deck must exist, every page must be free of tracebacks, of output on standard
    error, of this machine's paths and of pictures without alt text, and nothing may be fetched from another host.

    Parameters
    ----------
    book : Book
        The book.
    html : Path, optional
        Folder of the pages; default ``_build/html``.
    """
    html = html or book.html
    problems = [
        f"{page}.html is missing" for page in (*book.pages, *book.decks) if not (html / f"{page}.html").is_file()
    ]
    if not (html / "index.html").is_file():
        problems.append("index.html is missing")
    paths = machine_paths(book)
    for page in sorted(html.rglob("*.html")):
        if page.relative_to(html).parts[0] not in {"_static", "mathjax"}:
            found = page_problems(page.read_text(encoding="utf-8"), paths)
            problems += [f"{page.relative_to(html)} {problem}" for problem in found]
    for sheet in sorted(html.rglob("*.css")):
        found = _REMOTE_IN_CSS.findall(sheet.read_text(encoding="utf-8"))
        problems += [f"{sheet.relative_to(html)} fetches {address}" for address in found]
    return problems
