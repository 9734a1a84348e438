"""Bars: seen in a terminal and in a notebook, silent where nobody looks at them move."""

import nbformat
import pytest
from nbclient import NotebookClient
from torch import nn

from guided_attention.data import InputSettings
from guided_attention.models import SegmentationOutput
from guided_attention.progress import progress_bar
from guided_attention.training.loop import fit
from guided_attention.training.settings import FitSettings
from pipeline.execute import execute_chapter
from small_book import small_book
from small_volumes import small_volume

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
    assert output.data["text/plain"].startswith("waiting: ")


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


class OneConvolution(nn.Conv2d):
    """The smallest network that segments."""

    def forward(self, x):
        logits = super().forward(x)
        return SegmentationOutput(logits, side_logits=(logits,))


def test_one_bar_says_how_much_of_a_training_is_left(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    volumes = [small_volume("a", 1), small_volume("b", 2)]
    settings = FitSettings(epochs=3, batch_size=2, inputs=InputSettings(size=16, how="resample"), augmentation=None)
    steps = 2 * volumes[0].shape[0] // 2
    fit(OneConvolution(1, 5, 1), volumes, volumes[:1], settings, tmp_path)
    shown = capsys.readouterr().err.split("\r")
    assert f"| 0/{3 * steps} " in shown[1]
    assert "epoch 3/3: 100%" in shown[-1]
    assert "dice=" in shown[-1]
    fit(OneConvolution(1, 5, 1), volumes, volumes[:1], settings, tmp_path)  # finished before: nothing is left
    assert f"{3 * steps}/{3 * steps}" in capsys.readouterr().err
