"""The pipeline of the book: layout, execution, staging, checks of the pages; once from end to end on a small book."""

import json
import os
import re
import subprocess
import sys
import threading

import nbformat
import pytest

from pipeline import build, chapters
from pipeline.__main__ import main
from pipeline.chapters import execute_chapters, fingerprint
from pipeline.execute import Cost, execute_chapter
from pipeline.landing import EXPLORER_MARK, buttons_to_colab, explorer
from pipeline.layout import Book, BookError
from pipeline.notebooks import write_notebooks
from pipeline.pages import check_pages, page_problems
from pipeline.stage import stage
from pipeline.status import cost_table
from small_book import ROOT, small_book


@pytest.fixture
def book(tmp_path):
    return small_book(tmp_path / "small")


def test_pages_are_those_of_the_table_of_contents_in_order(book):
    assert book.pages == ("book/index", "chapters/01_line", "book/status")
    assert book.chapters == ("01_line",)


def test_every_page_of_the_real_book_exists():
    book = Book(ROOT)
    missing = [page for page in book.pages if not (ROOT / f"{page}.md").is_file()]
    assert not missing
    assert len(set(book.pages)) == len(book.pages)


def test_a_folder_without_a_book_is_named(tmp_path):
    with pytest.raises(BookError, match=r"_config\.yml is missing"):
        Book(tmp_path)


def test_a_chapter_that_is_not_written_is_named(book):
    (book.root / "chapters" / "01_line.md").unlink()
    with pytest.raises(BookError, match=r"chapters/01_line\.md does not exist"):
        book.chapter("01_line")


def test_addresses_derive_from_the_configuration(book):
    assert book.colab("01_line") == (
        "https://colab.research.google.com/github/someone/small/blob/trunk/notebooks/01_line.ipynb"
    )
    assert book.source("a.md") == "https://github.com/someone/small/blob/trunk/a.md"
    assert book.page("book/status") == "https://someone.github.io/small/book/status.html"


def test_from_text_to_checked_pages(book, monkeypatch):
    monkeypatch.setattr(build, "make_data", lambda book: None)
    write_notebooks(book)
    html = build.build_book(book)

    page = (html / "chapters" / "01_line.html").read_text()
    assert "preset: quick" in page  # papermill replaced the chapter's own
    assert 'preset = "quick"' not in page  # and its cell is hidden
    assert 'alt="A line from 0 to 1."' in page
    assert book.colab("01_line") in page
    assert 'href="../chapters/01_line.html"' in (html / "book" / "index.html").read_text()
    assert "One line" in (html / "book" / "status.html").read_text()
    assert "fontawesome.js" not in page  # 1.5 MB that nobody would miss
    assert not list(html.rglob("fontawesome.js"))
    assert list(html.rglob("fa-solid-*.woff2"))  # the icons themselves
    cost = json.loads((book.build / "costs.json").read_text())[0]
    assert cost["chapter"] == "01_line"
    assert 0 < cost["seconds"] < 120
    assert 50e6 < cost["memory"] < 4e9

    stamp = (book.build / "chapters" / "01_line.ipynb").stat().st_mtime_ns
    execute_chapters(book)
    assert (book.build / "chapters" / "01_line.ipynb").stat().st_mtime_ns == stamp  # nothing changed: not run again

    (html / "chapters" / "01_line.html").unlink()
    assert check_pages(book) == ["chapters/01_line.html is missing"]


def test_a_stale_notebook_fails_the_check(book, capsys, monkeypatch):
    monkeypatch.chdir(book.root)
    assert main(["notebooks", "--check"]) == 1
    assert "make notebooks" in capsys.readouterr().err
    assert main(["notebooks"]) == 0
    assert capsys.readouterr().out.strip() == os.path.join("notebooks", "01_line.ipynb")
    assert main(["notebooks", "--check"]) == 0


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings\nwarnings.warn('odd')", "writes to standard error"),
        ("import time\ntime.sleep(60)", "took more than 1 s"),
        ("import os\nos._exit(9)", "kernel died"),
    ],
)
def test_a_chapter_that_fails_says_how(tmp_path, code, message):
    book = small_book(tmp_path / "small", code)
    with pytest.raises(BookError, match=message):
        execute_chapter(book, "01_line", book.build / "chapters", timeout=1 if "sleep" in code else 60)
    assert not (book.build / "chapters" / "01_line.json").exists()


def test_all_chapters_run_before_a_failure_is_reported(tmp_path):
    book = small_book(tmp_path / "small", "raise ValueError('wrong sign')")
    with pytest.raises(BookError, match=r"(?s)wrong sign.*1 of 1 chapters failed"):
        execute_chapters(book)


def test_two_run_side_by_side_but_what_goes_on_with_a_training_waits_for_it(monkeypatch):
    began, ended, another_ended = [], [], threading.Event()

    def run(book, name, preset, threads):
        began.append((name, threads, list(ended)))
        if name == "11_training":
            assert another_ended.wait(10)  # so something else ran meanwhile
        else:
            another_ended.set()
        ended.append(name)

    monkeypatch.setattr(chapters, "_run", run)
    monkeypatch.setattr(chapters, "processors", lambda: 8)
    book = Book(ROOT)
    chapters._execute(book, book.chapters, "chapters", "quick", None)
    assert sorted(ended) == sorted(book.chapters)
    assert {threads for _, threads, _ in began} == {4}
    before = {name: done for name, _, done in began}
    assert before["11_training"] == []  # the longest is first
    assert "11_training" in before["12_evaluation"]


def test_a_fingerprint_changes_with_text_preset_and_package(book):
    first = fingerprint(book, "01_line", "quick")
    assert fingerprint(book, "01_line", "quick") == first
    assert fingerprint(book, "01_line", "paper") != first
    (book.root / "src").mkdir()
    (book.root / "src" / "module.py").write_text("x = 1\n")
    second = fingerprint(book, "01_line", "quick")
    assert second != first
    chapter = book.chapter("01_line")
    chapter.write_text(chapter.read_text() + "\nOne more word.\n")
    assert fingerprint(book, "01_line", "quick") != second


SOLUTION = """:::{exercise} Twice
:label: twice
Write it.
:::

```{solution-start} twice
:class: dropdown
```"""


def test_a_page_shows_what_the_answer_starts_with_and_names_the_checker(book):
    executed = book.build / "chapters" / "01_line.ipynb"
    executed.parent.mkdir(parents=True)
    words = [nbformat.v4.new_markdown_cell(text) for text in ("# One line", SOLUTION, "```{solution-end}\n```")]
    code = nbformat.v4.new_code_cell("def twice(x):\n    return 2 * x\n\ncheck_twice(twice)")
    executed.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[*words[:2], code, words[2]])))
    target = stage(book, [Cost("01_line", "quick", 1.0, 1, None, 1)], "Somewhere.")

    task, solution = nbformat.read(target / "chapters" / "01_line.ipynb", as_version=4).cells[1:3]
    starter = "```python\ndef twice(x):\n    ...  # your answer\n\ncheck_twice(twice)\n```"
    assert task.source.index("Write it.") < task.source.index(starter) < task.source.index("{solution-start} twice")
    assert solution.source == code.source


def test_staging_turns_links_to_chapters_and_adds_links_under_the_title(book):
    executed = book.build / "chapters" / "01_line.ipynb"
    executed.parent.mkdir(parents=True)
    source = "<!-- a comment -->\n\n# One line\n\nSee [here](01_line.md#part)."
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)]), executed)
    target = stage(book, [Cost("01_line", "quick", 61.2, 1_500_000_000, None, 1)], "Somewhere.")

    text = nbformat.read(target / "chapters" / "01_line.ipynb", as_version=4).cells[0].source
    assert text.index("# One line") < text.index(book.colab("01_line")) < text.index("See [here](01_line.ipynb#part)")
    assert "](../chapters/01_line.ipynb)" in (target / "book" / "index.md").read_text()
    status = (target / "book" / "status.md").read_text()
    assert "1 min 01 s | 1.5 GB | - |" in status
    assert "Somewhere." in status


def test_a_status_page_without_a_place_for_the_table_is_refused(book):
    (book.root / "book" / "status.md").write_text("# Times\n")
    with pytest.raises(BookError, match=r"book/status\.md"):
        stage(book, [], "")


def test_links_to_notebooks_open_on_colab(book):
    assert (
        buttons_to_colab("[a](../notebooks/01_line.ipynb) [b](x.md)", book) == f"[a]({book.colab('01_line')}) [b](x.md)"
    )
    with pytest.raises(BookError, match="notebooks/02_other"):
        buttons_to_colab("[a](../notebooks/02_other.ipynb)", book)


def test_the_first_page_has_one_place_for_the_explorer_and_its_words_are_those_of_the_view():
    assert (ROOT / "book" / "index.md").read_text(encoding="utf-8").count(EXPLORER_MARK) == 1
    made = explorer()
    assert made.count('class="ga-mount') == made.count("<noscript>") == 1
    covered, attended = (int(number) for number in re.findall(r"(?:cover|get) (\d+)%", made))
    assert covered < 30 < attended
    assert "synthetic" in made
    assert "right is on the picture's left" in made


def test_times_add_up():
    table = cost_table([Cost("a", "quick", 30, None, None, 1), Cost("b", "quick", 45.4, 10**9, 2 * 10**9, 1)])
    assert "| all, one after the other | 1 min 15 s |" in table
    assert "| 45 s | 1.0 GB | 2.0 GB |" in table


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ("<pre>Traceback (most recent call last)</pre>", "shows a traceback"),
        ("<p>CellTimeoutError</p>", "shows a cell that timed out"),
        ('<div class="output stderr highlight"></div>', "shows output on standard error"),
        ('<script src="https://cdn.example/x.js"></script>', "fetches https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', "fetches //cdn.example/x.css"),
        ("<script>import('https://cdn.example/x.mjs')</script>", "fetches from a script"),
        ("<style>@import 'https://cdn.example/x.css'</style>", "fetches from a style"),
        ('<img src="../_images/a.png" alt="../_images/a.png">', "picture without alt text"),
        ('<img src="a.png">', "picture without alt text"),
        ("<p>/somewhere/else/file</p>", "shows a path of this machine"),
        (r"<div>\[\begin{split}a \\ b \tag{2}\end{split}\]</div>", "numbers an equation of several lines"),
    ],
)
def test_a_bad_page_is_found_out(html, problem):
    found = page_problems(f"<html><body>{html}</body></html>", ("/somewhere/else",))
    assert len(found) == 1
    assert problem in found[0]


def test_a_good_page_passes():
    link = '<a href="https://example.org">fetched only when the reader clicks</a>'
    html = link + '<img src="a.png" alt="A kidney."><script src="b.js">'
    html += r"<div>\[\begin{split}a \\ b\end{split}\]</div><div>\[c \tag{2}\]</div>"
    assert page_problems(html, ("/somewhere",)) == []


def test_an_empty_build_is_a_failure(book):
    problems = check_pages(book, book.root / "nothing")
    assert {f"{page}.html is missing" for page in book.pages} < set(problems)


def test_the_pipeline_starts_without_sphinx_or_papermill():
    """The Makefile's `notebooks` and every test need it: heavy imports belong in the functions that use them."""
    modules = "('papermill', 'sphinx', 'torch')"
    code = f"import sys, pipeline.__main__; print([m for m in {modules} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.strip() == "[]"


def test_what_a_cell_printed_in_pieces_is_one_output():
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    from pipeline.execute import _clean

    said = [new_output("stream", name="stdout", text=text) for text in ("a\n", "b\n")]
    shown = new_output("display_data", data={"text/plain": "picture"})
    notebook = new_notebook(cells=[new_code_cell("1", outputs=[*said, shown, said[0].copy()])])
    _clean(notebook)
    texts = [output.get("text") for output in notebook.cells[0].outputs]
    assert texts == ["a\nb\n", None, "a\n"]
