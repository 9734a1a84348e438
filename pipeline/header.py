"""What is injected into a chapter, never written by hand: links, installation, data (page *How to use this book*)."""

from __future__ import annotations

import re
from typing import Any

from pipeline.layout import Book

__all__ = ["EXTRA", "INJECTED", "header_cells", "links_under_title"]

#: Tag of every injected cell.
INJECTED = "injected"

#: Extra of ``pyproject.toml`` that a notebook installs.
EXTRA = "widgets"

#: A list of what is there holds pip to it. Without, the newest onnx would bring another protobuf than Colab's.
_INSTALL = """\
# On a fresh machine (Colab): install the package. Whatever is there already stays in its version.
import importlib.util
import sys
if importlib.util.find_spec("guided_attention") is None:
    !{{sys.executable}} -m pip list --format=freeze > present.txt
    %pip install -q -c present.txt "guided-attention[{extra}] @ git+{repository}@{branch}"
"""

#: What lies in the repository and not in the package: recorded runs and weights.
_NEEDS_REPOSITORY = re.compile(r"\b(results_folder|speed_folder|load_speed|load_pretrained|pretrained_path)\b")
_CLONE = """\
# On a fresh machine (Colab): fetch the repository, whose recorded runs or weights this chapter reads, and install from
# it. Whatever is there already stays in its version.
import importlib.util
import os
import sys
if importlib.util.find_spec("guided_attention") is None:
    !git clone -q --depth 1 --branch {branch} {repository} guided-attention
    !{{sys.executable}} -m pip list --format=freeze > present.txt
    %pip install -q -c present.txt -e "./guided-attention[{extra}]"
    sys.path.insert(0, os.path.abspath("guided-attention/src"))
"""

_DEVICE = """

# What a training here would run on. Colab: Runtime > Change runtime type.
from guided_attention.training.devices import describe_device
print(describe_device())
"""

_DATA = """\
# The synthetic abdomen: made once, in seconds, no download. On your own machine a set that exists is used.
from guided_attention.data import phantom_folder, write_phantom
if not (phantom_folder() / "phantom.json").exists():
    write_phantom(phantom_folder(), preset="small")
"""


def header_cells(book: Book, stem: str) -> list[Any]:
    """Cells that a generated notebook begins with, as notebook nodes.

    The package is installed with what its widgets need (`EXTRA`) but without its ``book`` extra: that would replace
    Colab's own ipykernel under a running session, and no chapter needs Sphinx.

    Parameters
    ----------
    book : Book
        Whose addresses are used.
    stem : str
        Name of the chapter, ``01_data``.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell

    links = (
        f"[Open in Colab]({book.colab(stem)}) · [the page]({book.page(f'chapters/{stem}')}) · "
        f"[its text]({book.source(f'chapters/{stem}.md')}) · [the repository]({book.repository})\n\n"
        "*Made from the chapter's text by `make notebooks`: edit that, not this.*"
    )
    whole = _NEEDS_REPOSITORY.search(book.chapter(stem).read_text(encoding="utf-8"))
    places = {"repository": book.repository, "branch": book.branch, "extra": EXTRA}
    install = (_CLONE if whole else _INSTALL).format(**places).rstrip() + _DEVICE
    metadata = {"tags": [INJECTED]}
    return [
        new_markdown_cell(links, metadata=metadata),
        new_code_cell(install.rstrip(), metadata=metadata),
        new_code_cell(_DATA.rstrip(), metadata=metadata),
    ]


def links_under_title(text: str, book: Book, stem: str) -> str:
    """Put the links to Colab, notebook and source under the title of a page's Markdown.

    Jupyter Book's own launch button would open ``chapters/NN.ipynb``, which exists in no branch.

    Parameters
    ----------
    text : str
        Markdown that begins with ``# Title`` (comments may precede it).
    book, stem
        As in `header_cells`.
    """
    links = (
        f"\n:::{{div}} chapter-links\n[Open in Colab]({book.colab(stem)}) "
        f"[Notebook]({book.source(f'notebooks/{stem}.ipynb')}) [Text]({book.source(f'chapters/{stem}.md')})\n:::\n"
    )
    return re.sub(r"^# .*$", lambda title: title.group() + "\n" + links, text, count=1, flags=re.MULTILINE)
