"""MyST Markdown as plain Markdown, so that Colab and Jupyter show no directives (page *How to use this book*)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from pipeline.citations import cite, reference_list
from pipeline.layout import Book, BookError

__all__ = ["Place", "cited_keys", "find_places", "plain_markdown"]

_OPEN = re.compile(r"^(?P<fence>:{3,}|`{3,})\{(?P<name>[\w-]+)\}[ \t]*(?P<title>.*)$")
_OPTION = re.compile(r"^:[\w-]+:.*$")
_ROLE = re.compile(r"\{(?P<name>[\w:-]+)\}`(?P<content>[^`]+)`")
_TITLES = {
    "note": "Note",
    "tip": "Tip",
    "warning": "Warning",
    "important": "Important",
    "caution": "Caution",
    "seealso": "See also",
    "dropdown": "",
    "admonition": "",
}
#: Directives whose argument is a name for Sphinx, not a title for people.
_ARGUMENT_IS_LABEL = {"div", "math", "bibliography"}


@dataclass(frozen=True)
class Place:
    """What ``{ref}`LABEL``` leads to.

    Parameters
    ----------
    page : str
        Where it is, as `Book.pages` writes it.
    title : str
        Of the exercise, or the heading; '' for a place without one.
    exercise : bool
        Whether it is an exercise.
    """

    page: str
    title: str
    exercise: bool


def find_places(book: Book) -> dict[str, Place]:
    """Find all places of the book that a ``{ref}`` can name: exercises, and what stands under ``(label)=``."""
    places: dict[str, Place] = {}
    for page in book.pages:
        text = (book.root / f"{page}.md").read_text(encoding="utf-8")
        for title, label in re.findall(r"^:{3,}\{exercise\} (.+)\n:label: (\S+)$", text, re.MULTILINE):
            places[label] = Place(page, title, exercise=True)
        for label, title in re.findall(r"^\(([\w-]+)\)=\n(?:#+ (.+)$)?", text, re.MULTILINE):
            places[label] = Place(page, title, exercise=False)
    return places


def plain_markdown(text: str, book: Book, stem: str = "", cited: Iterable[str] = ()) -> str:
    """Turn MyST directives and roles into what any Markdown viewer shows.

    Admonitions become a bold title over their text, or open on a click if they do on the page; exercises get a heading;
    options and labels go. Citations become authors and years, the bibliography a list. Links lead to the notebooks of
    chapters on Colab and to the published pages. Code fences stay as they are.

    Parameters
    ----------
    text : str
        MyST Markdown of one cell of a chapter.
    book : Book
        Whose addresses are used.
    stem : str
        The chapter; what it refers to in itself is not linked.
    cited : iterable of str
        Keys of all that the chapter cites (`cited_keys`), for its list of references.

    Raises
    ------
    BookError
        If a role refers to nothing, or numbers something that has no number in a notebook.
    """
    lines = _directives(text.splitlines(), book, tuple(cited))
    blocks = [(code, "\n".join(line for line, _ in group)) for code, group in groupby(lines, key=lambda line: line[1])]
    return "\n".join(block if code else _roles(block, book, stem) for code, block in blocks).strip("\n")


def cited_keys(texts: Iterable[str]) -> list[str]:
    """List the keys that Markdown texts cite, each once."""
    roles = (role for text in texts for role in _ROLE.finditer(text) if role["name"].startswith("cite"))
    return list(dict.fromkeys(key.strip() for role in roles for key in role["content"].split(",")))


def _directives(lines: list[str], book: Book, cited: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Lines without directives, each with whether it is code."""
    result: list[tuple[str, bool]] = []
    fences: list[tuple[str, str, str]] = []  # (fence, directive, what closes it) of the blocks around the present line
    options = False
    for number, line in enumerate(lines):
        opened = _OPEN.match(line)
        fence, inside, closing = fences[-1] if fences else ("", "", "")
        if inside == "code":
            result.append((line, True))
            if line.strip() == fence:
                fences.pop()
        elif opened:
            folded = any(":class:" in option and "dropdown" in option for option in _options(lines[number + 1 :]))
            begin, end = _frame(opened["name"], opened["title"].strip(), folded)
            fences.append((opened["fence"], opened["name"], end))
            result.extend((words, False) for words in begin)
            if opened["name"] == "bibliography":
                result.append((reference_list(book, cited), True))
            options = True
        elif fence and line.strip() == fence:
            fences.pop()
            result.append((closing, False))
        elif line.startswith("```"):
            result.append((line, True))
            fences.append(("```", "code", ""))
        elif options and (_OPTION.match(line) or not line.strip()):
            options = bool(line.strip())
        elif not line.startswith("% ") and not re.fullmatch(r"\([\w:-]+\)=", line):  # comments and targets
            options = False
            result.append((line, inside == "math"))
    return result


def _options(lines: list[str]) -> list[str]:
    end = next((number for number, line in enumerate(lines) if not _OPTION.match(line)), len(lines))
    return lines[:end]


def _frame(name: str, title: str, folded: bool) -> tuple[list[str], str]:
    """Lines that open a directive, and the one that closes it."""
    if name == "math":
        return ["$$"], "$$"
    if name == "exercise":
        return [f"### Exercise: {title}", ""], ""
    title = "" if name in _ARGUMENT_IS_LABEL else title
    words = ". ".join(part for part in (_TITLES.get(name, ""), title) if part)
    if folded:
        return ["<details>", f"<summary>{words}</summary>", ""], "\n</details>"
    return [f"**{words}**", ""] if words else [], ""


def _roles(text: str, book: Book, stem: str) -> str:
    """Replace roles and links."""

    def role(match: re.Match[str]) -> str:
        name, content = match["name"], match["content"]
        words, _, target = content.removesuffix(">").rpartition("<")
        words, target = words.strip(), target.strip()
        if name == "doc":
            return _link(book, words, target)
        if name == "ref":
            return _reference(book, stem, words, target)
        if name in {"cite:p", "cite:t"}:
            return cite(book, [key.strip() for key in content.split(",")], textual=name == "cite:t")
        if name in {"eq", "numref"} or name.startswith("cite"):
            raise BookError(
                f"{match.group()}: has no number in a notebook. Equations have the paper's: {{ref}}`eq. 2 <eq-2>`; "
                "for the rest write {ref} or {doc}, for citations {cite:p} or {cite:t}."
            )
        return words or content if name in {"abbr", "term", "sub", "sup"} else f"`{content}`"

    def link(match: re.Match[str]) -> str:
        return _link(book, match["words"], match["target"])

    text = re.sub(r"(?<!!)\[(?P<words>[^\]]*)\]\((?P<target>(?!\w+:)[^)\s]+)\)", link, text)
    return _ROLE.sub(role, text)


def _reference(book: Book, stem: str, words: str, label: str) -> str:
    place = find_places(book).get(label)
    if place is None or not (words or place.title):
        raise BookError(f"{{ref}}`{label}`: no exercise or heading of the book has this label.")
    words = words or (f"exercise *{place.title}*" if place.exercise else place.title)
    if place.page == f"chapters/{stem}":
        return words
    return f"[{words}]({_address(book, place.page, '' if place.exercise else label)})"


def _link(book: Book, words: str, target: str) -> str:
    """Link to a page of the book, from a chapter."""
    path, _, anchor = target.partition("#")
    if not path:
        return words  # a place in the same page has no address here
    page = posixpath.normpath(posixpath.join("chapters", path)).removesuffix(".md")
    source = book.root / f"{page}.md"
    title = re.search(r"^# (.+)$", source.read_text(encoding="utf-8"), re.MULTILINE) if source.is_file() else None
    return f"[{words or (title[1] if title else page)}]({_address(book, page, anchor)})"


def _address(book: Book, page: str, anchor: str) -> str:
    """Where a page is read: a chapter as a notebook on Colab, the others as they are published."""
    chapter = re.fullmatch(r"chapters/(\d\d_\w+)", page)
    return book.colab(chapter[1]) if chapter else book.page(page) + (f"#{anchor}" if anchor else "")
