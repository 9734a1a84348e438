"""Exercises in notebooks: an empty answer with its checker, then the solution, folded (page *How to use this book*).

A chapter holds the solution once, between ``{solution-start}`` and ``{solution-end}``. What a reader starts with
follows from its code: the imports, the heads of the functions that the checker is given, and the checker's call.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any

__all__ = ["REMOVED", "notebook_exercises", "show_starters", "starters"]

#: Tag of a cell that runs when the pages are made and is shown nowhere.
REMOVED = "remove-cell"

#: The line with which a solution begins, its options, and its end.
_SOLUTION_START = re.compile(r"^```\{solution-start\} (?P<label>\S+)\n(?::.*\n)*```$", re.MULTILINE)
_SOLUTION_END = re.compile(r"^```\{solution-end\}\n```$", re.MULTILINE)
_EMPTY = "# Your answer\n"


def notebook_exercises(cells: Iterable[Any], titles: dict[str, str]) -> list[Any]:
    """Put an empty answer before each solution, fold the solution, leave out what is shown nowhere.

    A folded cell is a form on Colab (``cellView``) and has its source hidden in JupyterLab (``source_hidden``).

    Parameters
    ----------
    cells : iterable of NotebookNode
        Of a chapter, as `read_chapter` returns them.
    titles : dict str -> str
        Title of each exercise by its label.

    Returns
    -------
    list of NotebookNode
        Markdown still holds MyST, but no line that begins or ends a solution.
    """
    from nbformat.v4 import new_code_cell

    result: list[Any] = []
    for label, group in groupby(_split(cells), key=lambda part: part[0]):
        shown = [cell for _, cell in group if REMOVED not in cell.metadata.get("tags", [])]
        if label:
            result.append(new_code_cell(_starter(shown) or _EMPTY.rstrip()))
            shown = [_folded(cell, titles.get(label, label)) for cell in shown]
        result += shown
    return result


def starters(cells: Iterable[Any]) -> dict[str, str]:
    """What a reader starts with, by the label of the exercise; exercises without a checker have no entry."""
    parts = groupby(_split(cells), key=lambda part: part[0])
    found = {label: _starter([cell for _, cell in group]) for label, group in parts if label}
    return {label: text for label, text in found.items() if text}


def show_starters(text: str, found: dict[str, str]) -> str:
    """Put what a reader starts with before the solutions of a page's Markdown; ``found`` is that of `starters`."""

    def before(start: re.Match[str]) -> str:
        code = found.get(start["label"])
        return (f"Your answer, and its checker:\n\n```python\n{code}\n```\n\n" if code else "") + start.group()

    return _SOLUTION_START.sub(before, text)


def _split(cells: Iterable[Any]) -> list[tuple[str, Any]]:
    """Cells cut where solutions begin and end, each with the label of the exercise that it solves, or ''."""
    from nbformat.v4 import new_markdown_cell

    parts: list[tuple[str, Any]] = []
    label = ""
    for cell in cells:
        if cell.cell_type != "markdown":
            parts.append((label, cell))
            continue
        text = cell.source
        while mark := (_SOLUTION_END if label else _SOLUTION_START).search(text):
            parts.append((label, new_markdown_cell(text[: mark.start()].strip("\n"), metadata=cell.metadata)))
            label = "" if label else mark["label"]
            text = text[mark.end() :]
        parts.append((label, new_markdown_cell(text.strip("\n"), metadata=cell.metadata)))
    return [(label, cell) for label, cell in parts if cell.source]


def _starter(cells: list[Any]) -> str:
    """Imports, heads of functions and the checker's call of the first cell that calls a checker; '' without one."""
    for cell in cells:
        if cell.cell_type != "code" or REMOVED in cell.metadata.get("tags", []):
            continue
        body = ast.parse(cell.source).body
        checks = [node for node in body if isinstance(node, ast.Expr) and ast.unparse(node).startswith("check_")]
        if checks:
            given = {node.id for check in checks for node in ast.walk(check) if isinstance(node, ast.Name)}
            imports = [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
            heads = [_head(node) for node in body if isinstance(node, ast.FunctionDef) and node.name in given]
            calls = [ast.unparse(node) for node in checks]
            return "\n\n".join(part for part in ("\n".join(imports), *heads, "\n".join(calls)) if part)
    return ""


def _head(function: ast.FunctionDef) -> str:
    function.body = [ast.Expr(ast.Constant(...))]
    return ast.unparse(function) + "  # your answer"


def _folded(cell: Any, title: str) -> Any:
    if cell.cell_type == "markdown":
        cell["source"] = f"<details>\n<summary>More on the solution</summary>\n\n{cell.source}\n\n</details>"
    else:
        cell["source"] = f"#@title Solution: {title}\n{cell.source}"
        cell["metadata"] = {**cell.metadata, "cellView": "form", "jupyter": {"source_hidden": True}}
    return cell
