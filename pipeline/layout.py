"""Where the parts of the book are, and what its configuration says (page *How to use this book*)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from guided_attention.errors import GuidedAttentionError

__all__ = ["Book", "BookError"]

_CHAPTER = re.compile(r"\d\d_[a-z0-9_]+")


class BookError(GuidedAttentionError):
    """A chapter, a page or the configuration of the book is not what it should be."""


@dataclass(frozen=True)
class Book:
    """The checkout of the book.

    Parameters
    ----------
    root : Path
        Folder with ``_config.yml`` and ``_toc.yml``.

    Raises
    ------
    BookError
        If ``root`` holds no book.
    """

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root).resolve())
        for name in ("_config.yml", "_toc.yml"):
            if not (self.root / name).is_file():
                raise BookError(f"{self.root} is not the root of the book: {name} is missing. Run make there.")

    @property
    def build(self) -> Path:
        """Folder of everything that is made: ``_build``."""
        return self.root / "_build"

    @property
    def html(self) -> Path:
        """Folder of the finished pages."""
        return self.build / "html"

    @property
    def notebooks(self) -> Path:
        """Folder of the generated notebooks."""
        return self.root / "notebooks"

    @cached_property
    def config(self) -> dict[str, Any]:
        """Content of ``_config.yml``."""
        return _read_yaml(self.root / "_config.yml")

    @property
    def repository(self) -> str:
        """Address of the repository; ``repository.url`` of ``_config.yml`` is the only place that names it."""
        return str(self.config["repository"]["url"]).rstrip("/")

    @property
    def branch(self) -> str:
        """Branch that links point to."""
        return str(self.config["repository"]["branch"])

    @cached_property
    def pages(self) -> tuple[str, ...]:
        """Every page of ``_toc.yml`` without its suffix (``chapters/01_data``), in reading order."""
        toc = _read_yaml(self.root / "_toc.yml")
        return (_without_suffix(toc["root"]), *_files(toc))

    @property
    def chapters(self) -> tuple[str, ...]:
        """Stems of the chapters in the table of contents (``01_data``), in reading order."""
        return tuple(page.split("/")[-1] for page in self.pages if page.startswith("chapters/"))

    @property
    def decks(self) -> tuple[str, ...]:
        """Names of the decks for lessons (``slides/attention``), in alphabetical order."""
        return tuple(f"slides/{path.stem}" for path in sorted((self.root / "slides").glob("*.md")))

    def text(self, name: str) -> Path:
        """Path of the text of a chapter (``01_data``) or of a deck (``slides/attention``).

        Raises
        ------
        BookError
            If there is none.
        """
        if not name.startswith("slides/"):
            return self.chapter(name)
        if name not in self.decks:
            raise BookError(f"{name}.md does not exist. There are: {', '.join(self.decks) or 'no decks'}.")
        return self.root / f"{name}.md"

    def executed(self, name: str) -> Path:
        """Folder where a chapter or a deck is kept with its outputs."""
        return self.build / ("slides" if name.startswith("slides/") else "chapters")

    def chapter(self, stem: str) -> Path:
        """Path of a chapter's text.

        Raises
        ------
        BookError
            If the chapter is named in ``_toc.yml`` but not written, or named against the rule ``NN_name``.
        """
        path = self.root / "chapters" / f"{stem}.md"
        if not _CHAPTER.fullmatch(stem):
            raise BookError(f"chapters/{stem}.md: a chapter is named NN_name, two digits and lower case.")
        if not path.is_file():
            raise BookError(f"chapters/{stem}.md does not exist, but _toc.yml names it.")
        return path

    def colab(self, stem: str) -> str:
        """Address that opens a chapter's notebook on Google Colab."""
        path = self.repository.removeprefix("https://github.com/")
        return f"https://colab.research.google.com/github/{path}/blob/{self.branch}/notebooks/{stem}.ipynb"

    def page(self, name: str) -> str:
        """Address of a page (``book/notation``) as it is published, below ``html.baseurl`` of ``_config.yml``."""
        return f"{str(self.config['html']['baseurl']).rstrip('/')}/{name}.html"

    def source(self, path: str) -> str:
        """Address of a file of the repository, on its branch."""
        return f"{self.repository}/blob/{self.branch}/{path}"


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _without_suffix(name: str) -> str:
    return re.sub(r"\.(md|ipynb)$", "", name)


def _files(node: Any) -> list[str]:
    """Every ``file:`` below a node of the table of contents, in order."""
    if isinstance(node, list):
        return [name for item in node for name in _files(item)]
    if not isinstance(node, dict):
        return []
    own = [_without_suffix(node["file"])] if "file" in node else []
    return own + [name for value in node.values() for name in _files(value)]
