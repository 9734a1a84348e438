"""Chapters and the notebooks made from them: the rules of the house that a program can check."""

import re

import nbformat
import pytest

from guided_attention.book.header import INJECTED
from guided_attention.book.layout import Book, BookError
from guided_attention.book.notebooks import make_notebook, read_chapter, stale_notebooks, write_notebooks
from guided_attention.book.plain import plain_markdown
from small_book import ROOT, small_book

BOOK = Book(ROOT)
CHAPTERS = BOOK.chapters
#: A cell that draws: it says plt, or calls one of the package's figures, or makes a widget.
DRAWS = re.compile(r"\bplt\.(?:subplots|figure|plot|imshow|show)\b|\bshow_\w+\(")


@pytest.fixture
def book(tmp_path):
    return small_book(tmp_path / "small")


def code_cells(stem):
    return [cell for cell in read_chapter(BOOK, stem).cells if cell.cell_type == "code"]


def test_ids_follow_from_name_and_position_and_the_file_is_the_same_each_time(book):
    assert [cell.id for cell in make_notebook(book, "01_line").cells] == [f"01_line-{n:03d}" for n in range(6)]
    first = [path.read_bytes() for path in write_notebooks(book)]
    (book.notebooks / "01_line.ipynb").unlink()
    assert [path.read_bytes() for path in write_notebooks(book)] == first
    assert write_notebooks(book) == []


def test_the_header_installs_without_versions_and_makes_the_data(book):
    links, install, data = make_notebook(book, "01_line").cells[:3]
    assert book.colab("01_line") in links.source
    assert "guided-attention[widgets] @ git+https://github.com/someone/small@trunk" in install.source
    assert not re.search(r"[<>=]=\s*\d", install.source)
    assert install.source.endswith("print(describe_device())")
    assert "write_phantom" in data.source
    assert all(cell.metadata.tags == [INJECTED] for cell in (links, install, data))
    compile(data.source, "data cell", "exec")


def test_a_chapter_that_reads_recorded_runs_brings_the_repository(book):
    chapter = book.chapter("01_line")
    chapter.write_text(chapter.read_text() + "\n```{code-cell} ipython3\nresults_folder()\n```\n")
    install = make_notebook(book, "01_line").cells[1].source
    assert "git clone -q --depth 1 --branch trunk https://github.com/someone/small guided-attention" in install
    assert 'pip install -q -c present.txt -e "./guided-attention[widgets]"' in install


def test_the_header_is_in_the_notebook_only(book):
    assert "git+" not in book.chapter("01_line").read_text()
    assert all(INJECTED not in cell.metadata.get("tags", []) for cell in read_chapter(book, "01_line").cells)


def test_a_changed_chapter_makes_its_notebook_stale(book):
    assert [path.name for path in stale_notebooks(book)] == ["01_line.ipynb"]  # missing
    write_notebooks(book)
    assert stale_notebooks(book) == []
    chapter = book.chapter("01_line")
    chapter.write_text(chapter.read_text().replace("One line", "Two lines"))
    assert [path.name for path in stale_notebooks(book)] == ["01_line.ipynb"]
    (book.notebooks / "99_old.ipynb").write_text("{}")
    assert [path.name for path in write_notebooks(book)] == ["01_line.ipynb", "99_old.ipynb"]
    assert not (book.notebooks / "99_old.ipynb").exists()


@pytest.mark.parametrize(("old", "message"), [("# One line", "title"), (":tags: [parameters]", "parameters")])
def test_a_chapter_without_title_or_parameters_is_refused(book, old, message):
    chapter = book.chapter("01_line")
    chapter.write_text(chapter.read_text().replace(old, ""))
    with pytest.raises(BookError, match=message):
        read_chapter(book, "01_line")


def test_directives_become_plain_markdown(book):
    myst = """\
:::{admonition} After this chapter you can
:class: tip
- write *attention* {cite:p}`fu2019,sinha2020`;
:::

````{exercise} The wrong axis
:label: wrong-axis

Use {func}`softmax`, see {eq}`weights` and {doc}`the words
<../book/glossary>`.
```python
x[0](y)  # {not}`a role`
```
````

```{math}
:label: weights
S = 1
```
% a comment
(target)=
[](01_line.md), [web](https://example.org), [below](#part)
"""
    plain = plain_markdown(myst, book)
    assert "**After this chapter you can**\n\n- write *attention* [fu2019, sinha2020];" in plain
    assert "**Exercise. The wrong axis**" in plain
    assert (
        "Use `softmax`, see (weights) and [the words](https://github.com/someone/small/blob/trunk/book/glossary.md)."
        in plain
    )
    assert "```python\nx[0](y)  # {not}`a role`\n```" in plain
    assert "$$\n\\tag{weights}\nS = 1\n$$" in plain
    assert "[One line](https://github.com/someone/small/blob/trunk/notebooks/01_line.ipynb)" in plain
    assert "[web](https://example.org), below" in plain
    assert not re.search(r":::|````|:label:|a comment|target", plain)


def test_committed_notebooks_follow_the_chapters():
    assert [path.name for path in stale_notebooks(BOOK)] == []


@pytest.mark.parametrize("stem", CHAPTERS)
def test_notebooks_hold_no_outputs(stem):
    notebook = nbformat.read(BOOK.notebooks / f"{stem}.ipynb", as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("stem", CHAPTERS)
def test_the_preset_of_a_chapter_is_quick(stem):
    (cell,) = (cell for cell in code_cells(stem) if "parameters" in cell.metadata.get("tags", []))
    assert re.search(r'^preset = "quick"', cell.source, re.MULTILINE)


@pytest.mark.parametrize("stem", CHAPTERS)
def test_code_cells_are_short(stem):
    lengths = sorted(len(cell.source.splitlines()) for cell in code_cells(stem))
    assert lengths[-1] <= 15
    assert lengths[len(lengths) // 2] <= 8


@pytest.mark.parametrize("stem", CHAPTERS)
def test_cells_that_draw_have_alt_text(stem):
    without = [
        cell.source
        for cell in code_cells(stem)
        if DRAWS.search(cell.source) and not cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip()
    ]
    assert not without


@pytest.mark.parametrize("stem", CHAPTERS)
def test_a_chapter_asserts_and_imports_the_package(stem):
    source = "\n".join(cell.source for cell in code_cells(stem))
    assert re.search(r"^\s*assert |assert_close|assert_allclose|check_\w+\(", source, re.MULTILINE)
    assert "guided_attention" in source


@pytest.mark.parametrize("page", BOOK.pages)
def test_pictures_in_the_text_have_alt_text_and_come_from_the_book(page):
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    for words, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", text):
        assert words.strip(), f"{target} has no alt text"
        assert not target.startswith("http"), f"{target} is on another host"
    for options in re.findall(r"\{(?:figure|image)\}.*\n((?::.*\n)*)", text):
        assert ":alt:" in options
