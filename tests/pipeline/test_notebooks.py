"""Chapters and the notebooks made from them: the rules of the house that a program can check."""

import ast
import re

import nbformat
import pytest

from guided_attention import teaching
from pipeline.exercises import REMOVED, starters
from pipeline.header import INJECTED
from pipeline.layout import Book, BookError
from pipeline.notebooks import make_notebook, read_chapter, stale_notebooks, write_notebooks
from pipeline.plain import plain_markdown
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
- write *attention* {cite:p}`fu2019,sinha2020`, after {cite:t}`kavur2021`;
:::

````{exercise} The wrong axis
:label: wrong-axis

Use {func}`softmax`, see {ref}`eq. 2 <eq-2>` and {doc}`the words
<../book/status>`.
```python
x[0](y)  # {not}`a role`
```
````

:::{admonition} Think first
:class: dropdown tip
Because.
:::
% a comment
(target)=
[](01_line.md), [web](https://example.org), [below](#part), [](../book/status.md#part)
"""
    (book.root / "book" / "status.md").write_text("# Times\n\n(eq-2)=\n$$ s = 1 \\tag{2} $$\n")
    plain = plain_markdown(myst, book)
    assert (
        "**After this chapter you can**\n\n- write *attention* [Fu *et al.*, 2019, Sinha and Dolz, 2021], after"
        in plain
    )
    assert "after Kavur *et al.* [2021];" in plain
    assert "### Exercise: The wrong axis" in plain
    pages = "https://someone.github.io/small/book"
    assert f"Use `softmax`, see [eq. 2]({pages}/status.html#eq-2) and [the words]({pages}/status.html)." in plain
    assert "```python\nx[0](y)  # {not}`a role`\n```" in plain
    assert "<details>\n<summary>Think first</summary>\n\nBecause.\n\n</details>" in plain
    assert f"[One line]({book.colab('01_line')})" in plain
    assert f"[web](https://example.org), below, [Times]({pages}/status.html#part)" in plain
    assert not re.search(r":::|````|:label:|a comment|target", plain)


def test_a_reference_to_an_exercise_becomes_its_title_and_leads_to_its_notebook(book):
    chapter = book.chapter("01_line")
    chapter.write_text(chapter.read_text() + "\n:::{exercise} Draw it\n:label: draw-it\nDo.\n:::\n")
    assert plain_markdown("See {ref}`draw-it`.", book, "01_line") == "See exercise *Draw it*."
    assert plain_markdown("See {ref}`draw-it`.", book, "02") == f"See [exercise *Draw it*]({book.colab('01_line')})."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ref}`nowhere`", "no exercise or heading"),
        ("{eq}`two`", "no number in a notebook"),
        ("{numref}`two`", "no number in a notebook"),
        ("{cite:author}`fu2019`", "cite:p"),
        ("{cite:p}`nobody1900`", "no entry nobody1900"),
    ],
)
def test_what_a_notebook_cannot_show_is_refused(book, text, message):
    with pytest.raises(BookError, match=message):
        plain_markdown(text, book)


def test_the_list_of_references_has_what_the_chapter_cites_in_the_order_of_authors(book):
    chapter = book.chapter("01_line")
    text = (
        "\nSee {cite:t}`sinha2020` {cite:p}`rabe2021,fu2019`.\n\n```{bibliography}\n:filter: docname in docnames\n```\n"
    )
    chapter.write_text(chapter.read_text() + text)
    lines = make_notebook(book, "01_line").cells[-1].source.splitlines()
    items = [line for line in lines if line.startswith("- ")]
    assert [item.split(",")[0] for item in items] == [
        "- Jun Fu",
        "- Markus N. Rabe and Charles Staats. Self-attention does not need $O(n^2)$ memory. arXiv:2112.05682",
        "- Ashish Sinha and Jose Dolz. Multi-scale self-guided "
        "attention for medical image segmentation. *IEEE Journal of Biomedical and Health Informatics*",
    ]
    assert "https://doi.org/10.1109/JBHI.2020.2986926" in items[2]


EXERCISE = """
:::{exercise} Twice
:label: twice
Write `twice(x)`.
:::

```{solution-start} twice
:class: dropdown
```

```{code-cell} ipython3
import math
from guided_attention.teaching import check_twice

def twice(x, by=2):  # not halved
    return by * x

assert twice(math.pi) > 6
check_twice(twice)
```

```{code-cell} ipython3
:tags: [remove-cell]

assert check_twice(twice)
```

Or add it to itself.

```{solution-end}
```

## The end
"""


def test_an_exercise_gets_an_empty_answer_with_its_checker_and_the_solution_is_folded(book):
    chapter = book.chapter("01_line")
    chapter.write_text(chapter.read_text() + EXERCISE)
    task, answer, solution, words, end = make_notebook(book, "01_line").cells[-5:]
    assert "### Exercise: Twice" in task.source
    starter = "import math\nfrom guided_attention.teaching import check_twice\n\n"
    starter += "def twice(x, by=2):\n    ...  # your answer\n\ncheck_twice(twice)"
    assert answer.source == starter
    assert "cellView" not in answer.metadata
    assert solution.source.startswith("#@title Solution: Twice\nimport math\n")
    assert "return by * x" in solution.source
    assert solution.metadata == {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert words.source.startswith("<details>\n<summary>")
    assert "Or add it to itself." in words.source
    assert end.source == "## The end"
    assert starters(read_chapter(book, "01_line").cells) == {"twice": starter}


@pytest.mark.parametrize("stem", CHAPTERS)
def test_no_markup_of_the_pages_is_left_in_a_notebook(stem):
    words = "\n".join(cell.source for cell in make_notebook(BOOK, stem).cells if cell.cell_type == "markdown")
    assert (
        re.findall(r"\{[\w:-]+\}`[^`]*`|^[ \t]*:{3,}.*|^`{3,}\{.*|^:[\w-]+:.*|^\([\w-]+\)=$", words, re.MULTILINE) == []
    )
    assert re.findall(r"\]\((?!https://)[^)]*\)", words) == []
    assert re.findall(r"\[[a-z]+\d{4}[a-z]?(?:,[^\]]*)?\]", words) == []  # a key instead of an author


@pytest.mark.parametrize("stem", CHAPTERS)
def test_what_is_not_shown_is_not_in_the_notebook_and_nothing_needs_it(stem):
    notebook = make_notebook(BOOK, stem)
    assert [cell.source for cell in notebook.cells if REMOVED in cell.metadata.get("tags", [])] == []
    removed = [cell.source for cell in code_cells(stem) if REMOVED in cell.metadata.get("tags", [])]
    made = {
        node.id
        for source in removed
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    kept = "\n".join(
        re.sub(r"^\s*[!%].*$", "", cell.source, flags=re.MULTILINE)
        for cell in notebook.cells
        if cell.cell_type == "code" and INJECTED not in cell.metadata.get("tags", [])
    )
    assert made.isdisjoint(node.id for node in ast.walk(ast.parse(kept)) if isinstance(node, ast.Name))


@pytest.mark.parametrize("stem", CHAPTERS)
def test_each_exercise_has_a_checker_that_gets_past_an_empty_answer(stem):
    cells = read_chapter(BOOK, stem).cells
    labels = [
        label for cell in cells for label in re.findall(r"^```\{solution-start\} (\S+)$", cell.source, re.MULTILINE)
    ]
    found = starters(cells)
    assert list(found) == labels != []
    for text in found.values():
        names = {name: getattr(teaching, name) for name in teaching.__all__}
        *body, call = ast.parse(text).body
        exec(compile(ast.Module(body, []), "answer", "exec"), names)
        verdict = eval(compile(ast.Expression(call.value), "answer", "eval"), names)
        assert not verdict
        assert (
            "returned None: write it" in verdict.message or "check_silence" in text
        )  # which changes a network in place


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


def prose(page):
    """Return a page's text without front matter, code and roles."""
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    text = re.sub(r"\A---\n.*?\n---\n|^```+.*?^```+$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\{[\w:-]+\}`[^`]*`", "", text)


@pytest.mark.parametrize("page", BOOK.pages)
def test_numbers_and_places_of_exercises_chapters_figures_and_equations_are_not_typed(page):
    """Typed ones are wrong as soon as something is put before them; write {ref}, {doc}, {ref}`eq. 2 <eq-2>`."""
    numbered = r"\b(?:(?:exercise|chapter|section|equation|figure)s?|eqs?\.)\s+\d+"
    pictures = r"\bfig\.\s+\d+(?! (?:and \d+ )?of the paper)"
    places = r"\b(?:first|second|third|last|next|previous)\s+(?:exercise|chapter)\b"
    assert re.findall(f"{numbered}|{pictures}|{places}", prose(page), re.IGNORECASE) == []


def test_equations_have_the_numbers_of_the_paper_where_they_stand_and_where_they_are_named():
    notation = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
    targets = re.findall(r"^\(eq-(\d+)\)=\n\$\$.*\\tag\{(\d+)\} \$\$$", notation, re.MULTILINE)
    assert targets == [(str(n), str(n)) for n in range(1, 16)]
    for page in BOOK.pages:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
        for words, label in re.findall(r"\{ref\}`([^`<]*)<eq-(\w+)>`", text):
            assert words.split()[-1] == label, f"{page}: {words}"


def test_chapters_are_numbered_without_gaps_in_the_order_in_which_they_are_read():
    assert [stem.split("_")[0] for stem in CHAPTERS] == [f"{n:02d}" for n in range(1, len(CHAPTERS) + 1)]
    assert {path.stem for path in (ROOT / "chapters").glob("*.md")} == set(CHAPTERS)


def test_one_chapter_trains_a_whole_network_the_others_only_if_asked():
    unasked = []
    for stem in CHAPTERS:
        statements = [node for cell in code_cells(stem) for node in ast.parse(cell.source).body]
        calls = [(node, "run_trial(" in ast.unparse(node)) for node in statements]
        guarded = {ast.unparse(node.test) for node, found in calls if found and isinstance(node, ast.If)}
        unasked += [stem] * any(found and not isinstance(node, ast.If) for node, found in calls)
        assert guarded <= {"train"}
        if guarded:
            assert "train = False" in [ast.unparse(node) for node in statements]
    assert unasked == ["11_training"]


@pytest.mark.parametrize("page", BOOK.pages)
def test_pictures_in_the_text_have_alt_text_and_come_from_the_book(page):
    text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    for words, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)", text):
        assert words.strip(), f"{target} has no alt text"
        assert not target.startswith("http"), f"{target} is on another host"
    for options in re.findall(r"\{(?:figure|image)\}.*\n((?::.*\n)*)", text):
        assert ":alt:" in options
