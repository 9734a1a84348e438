"""MyST Markdown as plain Markdown, so that Colab and Jupyter show no directives (page *How to use this book*)."""

from __future__ import annotations

import posixpath
import re
from itertools import groupby

from guided_attention.book.layout import Book

__all__ = ["plain_markdown"]

_OPEN = re.compile(r"^(?P<fence>:{3,}|`{3,})\{(?P<name>[\w-]+)\}[ \t]*(?P<title>.*)$")
_OPTION = re.compile(r"^:[\w-]+:.*$")
_TITLES = {
    "note": "Note",
    "tip": "Tip",
    "warning": "Warning",
    "important": "Important",
    "caution": "Caution",
    "seealso": "See also",
    "exercise": "Exercise",
    "exercise-start": "Exercise",
    "solution": "Solution",
    "solution-start": "Solution",
    "dropdown": "",
    "admonition": "",
}
#: Directives whose argument is a name for Sphinx, not a title for people.
_ARGUMENT_IS_LABEL = {"solution", "solution-start", "exercise-end", "solution-end", "div", "math", "bibliography"}


def plain_markdown(text: str, book: Book) -> str:
    """Turn MyST directives and roles into what any Markdown viewer shows.

    Admonitions and exercises become a bold title over their text; options and labels go; citations become their keys
    in brackets; links to files of the book become addresses in the repository. Code fences stay as they are.

    Parameters
    ----------
    text : str
        MyST Markdown of one cell of a chapter.
    book : Book
        Whose repository the links point to.
    """
    lines = _directives(text.splitlines())
    blocks = [(code, "\n".join(line for line, _ in group)) for code, group in groupby(lines, key=lambda line: line[1])]
    return "\n".join(block if code else _roles(block, book) for code, block in blocks).strip("\n")


def _directives(lines: list[str]) -> list[tuple[str, bool]]:
    """Lines without directives, each with whether it is code."""
    result: list[tuple[str, bool]] = []
    fences: list[tuple[str, str]] = []  # (fence, directive) of the blocks around the present line
    options = False
    for line in lines:
        opened = _OPEN.match(line)
        inside = fences[-1] if fences else ("", "")
        if inside[1] == "code":
            result.append((line, True))
            if line.strip() == inside[0]:
                fences.pop()
        elif opened:
            fences.append((opened["fence"], opened["name"]))
            result.extend((words, False) for words in _heading(opened["name"], opened["title"].strip()))
            options = True
        elif inside[0] and line.strip() == inside[0]:
            fences.pop()
            result.append(("$$" if inside[1] == "math" else "", False))
        elif inside[1] == "math" and (label := re.fullmatch(r":label:[ \t]*(\S+)", line)):
            result.append((rf"\tag{{{label[1]}}}", True))
        elif line.startswith("```"):
            result.append((line, True))
            fences.append(("```", "code"))
        elif options and (_OPTION.match(line) or not line.strip()):
            options = bool(line.strip())
        elif not line.startswith("% ") and not re.fullmatch(r"\([\w:-]+\)=", line):  # comments and targets
            options = False
            result.append((line, inside[1] == "math"))
    return result


def _heading(name: str, title: str) -> list[str]:
    if name == "math":
        return ["$$"]
    if name == "bibliography":
        return ["[](../book/references.md)"]
    title = "" if name in _ARGUMENT_IS_LABEL else title
    words = ". ".join(part for part in (_TITLES.get(name, ""), title) if part)
    return [f"**{words}**", ""] if words else []


def _roles(text: str, book: Book) -> str:
    """Replace roles, links and labels of equations."""

    def role(match: re.Match[str]) -> str:
        name, content = match["name"], match["content"]
        words, _, target = content.removesuffix(">").rpartition("<")
        if name == "doc":
            return _link(book, words.strip(), target.strip())
        if name.startswith("cite"):
            return "[" + ", ".join(key.strip() for key in content.split(",")) + "]"
        if name == "eq":
            return f"({content})"
        return words.strip() or content if name in {"abbr", "term", "ref", "numref", "sub", "sup"} else f"`{content}`"

    def link(match: re.Match[str]) -> str:
        return _link(book, match["words"], match["target"])

    text = re.sub(r"\{(?P<name>[\w:-]+)\}`(?P<content>[^`]+)`", role, text)
    text = re.sub(r"(?<!!)\[(?P<words>[^\]]*)\]\((?P<target>(?!\w+:)[^)\s]+)\)", link, text)
    return re.sub(r"\$\$[ \t]*\(([\w:-]+)\)[ \t]*$", r"\\tag{\1} $$", text, flags=re.MULTILINE)


def _link(book: Book, words: str, target: str) -> str:
    """Link to a page of the book, from a chapter: to the notebook of a chapter, else to the file in the repository."""
    path, _, anchor = target.partition("#")
    if not path:
        return words  # a place in the same page has no address here
    where = posixpath.normpath(posixpath.join("chapters", path))
    if not posixpath.splitext(where)[1]:
        where += ".md"
    source = book.root / where
    title = re.search(r"^# (.+)$", source.read_text(encoding="utf-8"), re.MULTILINE) if source.is_file() else None
    words = words or (title[1] if title else where)
    chapter = re.fullmatch(r"chapters/(\d\d_\w+)\.md", where)
    if chapter:
        return f"[{words}]({book.source(f'notebooks/{chapter[1]}.ipynb')})"
    return f"[{words}]({book.source(where)}{'#' + anchor if anchor else ''})"
