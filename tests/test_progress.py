"""Bars: seen in a terminal and in a notebook, silent where nobody looks at them move."""

import nbformat
import pytest
from nbclient import NotebookClient

from guided_attention.book.execute import execute_chapter
from guided_attention.progress import progress_bar
from small_book import small_book

CELL = "from guided_attention.progress import progress_bar\nfor _ in progress_bar(range(3), desc='waiting'):\n    pass"


@pytest.mark.parametrize(
    ("show", "disabled", "seen"), [(True, "", True), (True, "0", True), (True, "1", False), (False, "", False)]
)
def test_in_a_terminal(monkeypatch, capsys, show, disabled, seen):
    monkeypatch.setenv("TQDM_DISABLE", disabled)
    assert list(progress_bar(range(3), show=show, desc="waiting")) == [0, 1, 2]
    assert ("waiting: 100%" in capsys.readouterr().err) == seen


def test_in_a_notebook(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    (output,) = notebook.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in output.data
    assert "waiting: 100%" in output.data["text/plain"]


def test_not_on_a_page(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "")
    monkeypatch.setenv("GUIDED_ATTENTION_WIDGETS", "kernel")  # the pipeline sets both; put back afterwards
    book = small_book(tmp_path / "small")
    chapter = book.chapter("01_line")
    chapter.write_text(f"{chapter.read_text()}\n```{{code-cell}} ipython3\n{CELL}\n```\n")
    execute_chapter(book, "01_line", tmp_path / "out")
    cells = nbformat.read(tmp_path / "out" / "01_line.ipynb", as_version=4).cells
    (waiting,) = (cell for cell in cells if "waiting" in cell.source)
    assert waiting.outputs == []
