"""Where the chapters keep their runs and find the recorded ones."""

from pathlib import Path

import pytest

from guided_attention.errors import DataError
from guided_attention.paths import data_folder, results_folder, runs_folder

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("folder", "variable", "name"),
    [
        (runs_folder, "GUIDED_ATTENTION_RUNS", "runs"),
        (lambda: data_folder("chaos").parent, "GUIDED_ATTENTION_DATA", "data"),
        (results_folder, "GUIDED_ATTENTION_RESULTS", "results"),
    ],
)
def test_folders_are_those_of_the_repository_unless_named(folder, variable, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # a chapter runs in a folder of its own
    monkeypatch.delenv(variable, raising=False)
    assert folder() == REPOSITORY / name
    monkeypatch.setenv(variable, str(tmp_path))
    assert folder() == tmp_path


def test_recorded_runs_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("GUIDED_ATTENTION_RESULTS", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere: no such folder; .*git clone.*GUIDED_ATTENTION_RESULTS"):
        results_folder()
