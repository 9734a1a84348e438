"""Widgets without a browser: what is sent, what a page holds, and which of the two a cell's output gets."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import traitlets
from matplotlib import pyplot as plt
from nbclient import NotebookClient

from guided_attention import widgets
from guided_attention.errors import SettingsError
from guided_attention.widgets.shared.base import SWITCH, GuidedWidget
from guided_attention.widgets.shared.bundle import SCRIPTS, notebook_script, page_script
from guided_attention.widgets.shared.pack import encode, pack, pack_pictures, pack_rows, unpack
from pipeline.pages import page_problems


class Small(GuidedWidget):
    """A widget with a trait and a picture."""

    _script = "channel"

    chosen = traitlets.Int(2).tag(sync=True)
    private = traitlets.Int(3)

    def picture(self):
        figure, ax = plt.subplots(figsize=(3, 2))
        ax.plot([0, 1])
        return figure

    @property
    def alt(self):
        return 'A line that "rises" & ends.'


@pytest.fixture
def small(monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    return Small(data={"numbers": pack(np.arange(6.0).reshape(2, 3), "float16"), "words": ["a", None]})


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_arrays_come_back_in_the_precision_they_were_sent_in(dtype):
    array = np.random.default_rng(0).uniform(0, 250, (3, 4, 5))
    packed = pack(array, dtype)
    assert packed["shape"] == [3, 4, 5]
    assert len(packed["data"]) == 60 * np.dtype(dtype).itemsize
    np.testing.assert_array_equal(unpack(packed), array.astype(dtype))


def test_fixed_point_is_more_exact_than_half_precision():
    array = np.random.default_rng(0).normal(0, 3, (4, 500)) * [[1], [10], [0.01], [0]]
    packed = pack_rows(array)
    assert len(packed["data"]) == 2 * array.size
    error, half = np.abs(unpack(packed) - array).max(1), np.abs(array.astype(np.float16) - array).max(1)
    assert (error[:3] < half[:3] / 5).all()
    assert error[3] == 0


def test_pictures_are_sent_as_differences_and_come_back_exactly():
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 256, (2, 3, 5, 7)).astype(np.uint8)
    np.testing.assert_array_equal(unpack(pack_pictures(rough)), rough)
    smooth = np.add.outer(np.arange(64), 2 * np.arange(64)).astype(np.uint8)
    assert len(encode({"a": pack_pictures(smooth)})) < len(encode({"a": pack(smooth, "uint8")})) / 2


def test_arrays_that_do_not_fit():
    with pytest.raises(SettingsError, match="do not fit into uint8"):
        pack(np.array([256]), "uint8")
    with pytest.raises(SettingsError, match="do not fit into float16"):
        pack(np.array([1e5]), "float16")
    with pytest.raises(SettingsError, match="float64"):
        pack(np.zeros(2), "float64")


def test_a_state_is_json_and_bytes_at_multiples_of_eight():
    state = {"a": pack(np.arange(3), "uint8"), "b": [{"c": pack(np.arange(5), "float16")}], "d": "words"}
    whole = gzip.decompress(base64.b64decode(encode(state)))
    length = int.from_bytes(whole[:4], "little")
    assert (4 + length) % 8 == 0
    read = json.loads(whole[4 : 4 + length])
    assert read["d"] == "words"
    assert read["a"] == {"dtype": "uint8", "shape": [3], "data": {"$bytes": [0, 3]}}
    start, size = read["b"][0]["c"]["data"]["$bytes"]
    assert start % 8 == 0
    found = np.frombuffer(whole[4 + length + start :][:size], "<f2")
    np.testing.assert_array_equal(found, np.arange(5))
    assert encode(state) == encode(state)  # the same page every time


def test_numbers_that_json_does_not_know_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        encode({"a": float("nan")})


@pytest.mark.parametrize("name", sorted(p.stem for p in SCRIPTS.glob("*.js") if "export default" in p.read_text()))
def test_scripts_are_put_together_whole(name):
    module = notebook_script(name)
    assert not re.search(r"^\s*import\b", module, re.MULTILINE)
    assert re.findall(r"^export .*$", module, re.MULTILINE) == [f"export default $default_{name};"]
    assert module.count("const $dom = ") == 1
    page = page_script(name)
    assert not re.search(r"^\s*(import|export)\b", page, re.MULTILINE)
    assert not re.search(r"https?://", page)


def test_a_script_that_cannot_be_put_together(tmp_path, monkeypatch):
    monkeypatch.setattr("guided_attention.widgets.shared.bundle.SCRIPTS", tmp_path)
    (tmp_path / "odd.js").write_text('import * as all from "./dom.js";\nexport default all;\n')
    with pytest.raises(SettingsError, match=r"odd\.js"):
        notebook_script("odd")


@pytest.mark.parametrize("name", widgets.__all__)
def test_every_widget_brings_a_script_and_the_style(name):
    widget = getattr(widgets, name)
    assert widget._esm == notebook_script(widget._script)
    assert widget._css == (SCRIPTS / "widgets.css").read_text()
    assert not widget.class_own_traits().keys() & {"_script", "_esm", "_css"}


def test_a_widget_that_is_made_from_another_keeps_its_script():
    class Other(Small):
        pass

    assert Other._esm == Small._esm == notebook_script("channel")
    assert "_esm" not in vars(GuidedWidget)


@pytest.mark.parametrize("module", ["guided_attention.widgets", "guided_attention.widgets.shared.base"])
@pytest.mark.parametrize("gone", ["anywidget", "traitlets"])
def test_after_a_plain_installation_the_widgets_say_which_extra_they_need(module, gone):
    code = f"import sys; sys.modules[{gone!r}] = None; import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"guided_attention.errors.MissingExtraError: {gone}: not installed here.")
    assert 'pip install "guided-attention[widgets]"' in said


def test_only_traits_of_the_widget_are_its_state(small):
    assert set(small.state()) == {"data", "chosen"}


def test_a_page_is_complete_and_has_a_picture(small, tmp_path):
    open_before = plt.get_fignums()
    text = small.save(tmp_path / "small.html", "A title & more").read_text()
    assert page_problems(text) == []
    assert 'alt="A line that &quot;rises&quot; &amp; ends."' in text
    assert "<title>A title &amp; more</title>" in text
    picture = base64.b64decode(re.search(r'<noscript>.*image/webp;base64,([^"]+)"', text)[1])
    assert (picture[:4], picture[8:12]) == (b"RIFF", b"WEBP")
    assert plt.get_fignums() == open_before


def test_a_kernel_gets_the_view_and_a_page_the_html(small, monkeypatch):
    bundle = small._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "text/html" not in data
    monkeypatch.setenv(SWITCH, "page")
    shown = Small()
    assert shown.comm is None
    assert set(shown._repr_mimebundle_()) == {"text/html", "text/plain"}
    shown.chosen = 5  # nobody listens, nothing breaks
    assert shown.state()["chosen"] == 5
    monkeypatch.setenv(SWITCH, "both")
    with pytest.raises(SettingsError, match="GUIDED_ATTENTION_WIDGETS='both'"):
        shown._repr_mimebundle_()


def test_a_notebook_run_for_pages_asks_no_front_end_for_widgets(monkeypatch, tmp_path):
    source = """\
from matplotlib import pyplot as plt
from guided_attention.widgets.shared.base import GuidedWidget
class Mine(GuidedWidget):
    _script = "channel"
    alt = "a picture"
    def picture(self):
        return plt.figure()
Mine(data={"a": b"123"})"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    monkeypatch.setenv(SWITCH, "page")
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    (output,) = notebook.cells[0].outputs
    assert set(output.data) == {"text/html", "text/plain"}
    assert 'data-key="channel-' in output.data["text/html"]
    assert "widgets" not in notebook.metadata  # with it, myst-nb would fetch scripts from a CDN
