"""The rehearsal as on Colab, without Colab's packages: the list, the layers, what a reader's room holds and hears."""

import os
import subprocess
import sys

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from guided_attention import widgets
from pipeline import rehearsal, rehearsal_room
from pipeline.header import EXTRA
from pipeline.layout import Book, BookError
from pipeline.rehearsal import ALIVE, TRAINING, Rehearsed, _heard, refuse_problems, table
from pipeline.rehearsal_browser import CHANGES
from pipeline.rehearsal_room import PINS, Room, origin, packages, read_pins, replaced, variables
from small_book import ROOT
from test_repository import PROJECT


def distribution(folder, name, version):
    """Pretend that a distribution is installed in a folder."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "base"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    distribution(packages(folder), "Here_Already", "1.0")
    (packages(folder) / "here_already.py").write_text("where = 'base'\n")
    return folder


def test_colab_meets_every_lower_bound_of_what_a_notebook_installs():
    pins = read_pins(ROOT / PINS)
    there = {"traitlets": "5.7.1", "ipywidgets": "7.7.1", "ipython": "7.34.0", "anywidget": "0.9.21"}
    assert there.items() <= pins.items()
    asked = map(Requirement, [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][EXTRA]])
    met = [requirement for requirement in asked if canonicalize_name(requirement.name) in pins]
    assert {"torch", "numpy", "scipy", "matplotlib", "traitlets", "ipywidgets", "anywidget"} <= {r.name for r in met}
    for requirement in met:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("line", ["numpy>=2.0", "numpy", "numpy==2.1.3\nNumPy==2.1.3"])
def test_a_line_of_the_list_that_is_no_pin_is_named(tmp_path, line):
    (tmp_path / "list.txt").write_text(f"# a comment\n{line}\n")
    with pytest.raises(BookError, match=r"list\.txt, line [23]: expected a new name==version"):
        read_pins(tmp_path / "list.txt")


def test_a_layer_sees_what_is_there_and_shows_what_was_replaced(tmp_path, base):
    room = Room.over(base, tmp_path / "room")
    assert list(room.home.iterdir()) == list(room.work.iterdir()) == []
    ask = [str(room.python), "-c", "import here_already; print(here_already.where)"]
    assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "base\n"
    distribution(packages(room.layer), "new", "3.0")
    assert replaced(base, room) == []
    distribution(packages(room.layer), "here.already", "2.0")
    assert replaced(base, room) == ["here-already 1.0 -> 2.0"]


def test_a_room_knows_nothing_of_whoever_rehearses(tmp_path, monkeypatch):
    for name in ("PYTHONPATH", "GUIDED_ATTENTION_DATA", "GUIDED_ATTENTION_WIDGETS", "JUPYTER_PATH", "MPLBACKEND"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("PIP_TIMEOUT", "7")
    room = Room.within(tmp_path / "room")
    found = variables(Book(ROOT), room, tmp_path / "origin.git", tmp_path / "pip")
    assert "mine" not in found.values()
    assert found["HOME"] == str(room.home)
    assert found["PIP_TIMEOUT"] == "7"
    path = found["PATH"].split(os.pathsep)
    assert path[0] == str(room.python.parent)
    assert os.path.join(sys.prefix, "bin") not in path


def test_the_address_of_the_repository_is_answered_by_what_is_committed_here(tmp_path):
    book = Book(ROOT)
    answer = origin(book, tmp_path)
    environment = variables(book, Room.within(tmp_path / "room"), answer, tmp_path / "pip")
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", "--branch", book.branch, book.repository, str(tmp_path / "clone")],
        env=environment,
        check=True,
    )
    ask = ["git", "rev-parse", "HEAD"]
    here, there = (
        subprocess.run(ask, cwd=where, capture_output=True, text=True, check=True).stdout
        for where in (ROOT, tmp_path / "clone")
    )
    assert here == there


def test_every_widget_is_changed_and_every_named_chapter_exists():
    assert set(CHANGES) == set(widgets.__all__)
    for kind, changes in CHANGES.items():
        own = getattr(widgets, kind).class_traits(sync=True)
        assert changes.keys() <= own.keys() - {"data"}
    assert {ALIVE, *TRAINING} <= set(Book(ROOT).chapters)


def test_a_phantom_is_found_where_there_is_one(tmp_path):
    assert rehearsal.found(None) == rehearsal.found(tmp_path) == {}
    (tmp_path / "phantom").mkdir()
    (tmp_path / "phantom" / "phantom.json").touch()
    assert rehearsal.found(tmp_path) == {"GUIDED_ATTENTION_DATA": str(tmp_path)}


def notebook_with(changed, state):
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream", name="stdout", text=changed)])
    models = {model: {"state": values} for model, values in state.items()}
    return nbformat.v4.new_notebook(
        cells=[cell], metadata={"widgets": {"application/vnd.jupyter.widget-state+json": {"state": models}}}
    )


def test_a_widget_whose_change_does_not_arrive_is_named():
    changed = '{"a": ["VolumeBrowser", "slice", 2], "b": ["LossPlayground", "view", "lines"]}'
    notebook = notebook_with(changed, {"a": {"slice": 2}, "b": {"view": "stacked"}})
    count, silent = _heard(notebook, {"VolumeBrowser", "LossPlayground", "LiveNetwork"})
    assert count == 1
    assert silent == [
        "LossPlayground: Python set view to 'lines', the front end did not hear of it",
        "LiveNetwork is imported, but none was made",
    ]


def test_a_failed_notebook_fails_the_command_and_is_in_the_table():
    gone = ("replaced numpy 2 -> 3",)
    results = [Rehearsed("01_data", 20.4, 61.0, 1, ()), Rehearsed("21_touch", None, 30.0, 0, gone)]
    rows = table(results).splitlines()[2:]
    assert rows == ["| 01_data | 20 | 61 | 1 | passed |", "| 21_touch |  | 30 |  | failed |"]
    refuse_problems(results[:1])
    with pytest.raises(BookError, match="21_touch: replaced numpy 2 -> 3"):
        refuse_problems(results)


def test_a_base_with_other_versions_is_refused(tmp_path, monkeypatch):
    book = Book(ROOT)
    monkeypatch.setattr(Book, "build", property(lambda self: tmp_path))
    made = []

    def run(command):
        made.append(command)
        if "venv" in command:
            subprocess.run([str(part) for part in [*command, "--without-pip"]], check=True)
        return "3.11"

    monkeypatch.setattr(rehearsal_room, "_run", run)
    with pytest.raises(BookError, match=r"expected the versions of \.ci/colab\.txt, found .*traitlets None"):
        rehearsal_room.base_environment(book)
    assert [str(part) for part in made[-1]][-2:] == ["-r", str(ROOT / PINS)]
