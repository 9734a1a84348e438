"""The widgets in a browser against ipywidgets 7: the classic notebook that belongs to Colab's versions.

Colab's own front end is not to be had; but what reaches it is the same as here: the models of ipywidgets 7, and the
loader of the anywidget that Colab has.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from pipeline.layout import BookError
from pipeline.rehearsal_room import Room

__all__ = ["CHANGES", "find_browser", "living"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
_FLAGS += ["--disable-background-networking", "--disable-component-update"]

#: How each widget is made, and what Python changes in it then.
_WIDGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "ChannelExplorer": (".from_model(network, one, scales=(0,))", {"channel": 3}),
    "LiveNetwork": (".from_weights(pretrained_path('ms-dual-guided'), [one, two])", {"slice": 1}),
    "LossPlayground": ("(curve)", {"view": "lines"}),
    "MetricPlayground": ("(one)", {"cols": 3}),
    "PositionExplorer": (".from_model(network, one)", {"position": [5, 7]}),
    "RefinementStepper": (".from_model(network, one)", {"position": [5, 7]}),
    "VolumeBrowser": ("(volume)", {"slice": 2}),
}
#: What Python changes in a widget, by its name.
CHANGES = {kind: changes for kind, (_, changes) in _WIDGETS.items()}

_MAKE = (
    """\
from guided_attention import widgets
from guided_attention.data import open_source, phantom_folder
from guided_attention.models.stored.pretrained import load_pretrained, pretrained_path
from guided_attention.widgets.shared.inputs import as_slice
network, spec = load_pretrained("ms-dual-guided")
source = open_source(phantom_folder())
volume = source.read(source.subjects[0])
one, two = (as_slice(volume, index=len(volume.image) // 2 + step, inputs=spec.inputs) for step in (0, 1))
curve = [{"epoch": n, "segmentation": 1 / n, "guided": 2 / n, "reconstruction": 3 / n} for n in range(1, 9)]
made = {
"""
    + "".join(f"    {kind!r}: widgets.{kind}{how},\n" for kind, (how, _) in _WIDGETS.items())
    + """\
}
def told(kind):
    import json
    print(json.dumps({name: value for name, value in made[kind].state().items() if name != "data"}))
"""
)

_ASK = """code => new Promise((done, fail) => {
  const output = ({ msg_type, content }) => msg_type === "error" ? fail(new Error(content.evalue)) : done(content.text);
  const reply = () => setTimeout(() => done(""), 500);
  Jupyter.notebook.kernel.execute(code, { iopub: { output }, shell: { reply } });
})"""


def find_browser() -> str:
    """Return the program of Chromium or Chrome: ``GUIDED_ATTENTION_BROWSER``, or the first that is found.

    Raises
    ------
    BookError
        If there is none.
    """
    named = os.environ.get("GUIDED_ATTENTION_BROWSER")
    found = next(filter(None, map(shutil.which, [named] if named else _BROWSERS)), None)
    if found is None:
        raise BookError("no Chromium or Chrome found: apt install chromium, or set GUIDED_ATTENTION_BROWSER.")
    return found


def living(base: Path, room: Room, environment: dict[str, str], out: Path) -> None:
    """Show every widget in the classic notebook, change it from Python and from the page, and take a picture.

    Parameters
    ----------
    base : Path
        Environment with Colab's versions.
    room : Room
        Where the repository has been installed and the synthetic data been written.
    environment : dict
        Variables of the room.
    out : Path
        The picture, a PNG.

    Raises
    ------
    BookError
        If a widget does not appear, or one side does not hear the other.
    """
    import nbformat
    from playwright.sync_api import Error, sync_playwright

    cells = [nbformat.v4.new_code_cell(source) for source in (_MAKE, *(f"made[{kind!r}]" for kind in CHANGES))]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, room.work / "living.ipynb")
    with _server(base, room, environment) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=_FLAGS)
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(120_000)
        page.route(lambda asked: not asked.startswith((address, "data:", "blob:")), lambda route: route.abort())
        try:
            page.goto(f"{address}/notebooks/living.ipynb")
            page.wait_for_function("window.Jupyter?.notebook?.kernel?.is_connected()")
            # One cell after the other, as a reader does: what appears while the page restores widgets may be lost.
            page.wait_for_function("Jupyter.notebook.kernel.widget_manager")
            page.evaluate("Jupyter.notebook.execute_cells([0])")
            page.evaluate(_ASK, "print('made')")
            for number, (kind, values) in enumerate(CHANGES.items(), 1):
                page.evaluate(f"Jupyter.notebook.execute_cells([{number}])")
                _both_ways(page, kind, values)
            _answers(page)
        except Error as error:
            raise BookError(f"the widgets under ipywidgets 7, in the classic notebook ({out}): {error}") from error
        finally:
            page.evaluate("document.querySelector('[data-widget=position]')?.scrollIntoView()")
            page.screenshot(path=out)
            browser.close()


def _both_ways(page: Any, kind: str, values: dict[str, Any]) -> None:
    """Set traits from Python until the page shows them; then press keys until Python hears of it."""
    script = page.evaluate(_ASK, f"print(made[{kind!r}]._script)").strip()
    section = page.locator(f"section[data-widget={script}]")
    section.wait_for()
    for name, value in values.items():
        page.evaluate(_ASK, f"made[{kind!r}].{name} = {value!r}")
        shown = "([root, name, value]) => JSON.stringify(root.inspect()[name]) === value"
        page.wait_for_function(shown, arg=[section.element_handle(), name, json.dumps(value, separators=(",", ":"))])
    before = page.evaluate(_ASK, f"told({kind!r})")
    for control in section.locator("input:visible").all()[:6]:
        control.press("ArrowRight")
        page.wait_for_timeout(300)
        if page.evaluate(_ASK, f"told({kind!r})") != before:
            return
    raise BookError(f"{kind} under ipywidgets 7: keys moved its controls, but Python did not hear of it.")


def _answers(page: Any) -> None:
    """Let the live network load through the kernel, and wait for its answer, in the page and in Python."""
    page.click('section.ga-live [data-act="load"]')
    page.wait_for_function("document.querySelector('section.ga-live').inspect().answers > 0")
    page.wait_for_timeout(500)
    counts = json.loads(page.evaluate(_ASK, "told('LiveNetwork')"))["counts"]
    if not sum(counts):
        raise BookError("LiveNetwork under ipywidgets 7: the page has an answer, but Python did not hear of it.")


@contextmanager
def _server(base: Path, room: Room, environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        **environment,
        "JUPYTER_PATH": str(base / "share" / "jupyter"),
        "JUPYTER_CONFIG_PATH": str(base / "etc" / "jupyter"),
    }
    options = [f"--port={port}", "--port-retries=0", "--ip=127.0.0.1", "--no-browser", "--allow-root"]
    command = [str(room.python), "-m", "notebook", *options, "--NotebookApp.token="]
    log = room.home.parent / "notebook.log"
    with open(log, "wb") as written:
        server = subprocess.Popen(command, cwd=room.work, env=variables, stdout=written, stderr=written)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            if server.poll() is not None:
                break
            try:
                with urlopen(f"{address}/api", timeout=5):
                    yield address
                    return
            except URLError:
                time.sleep(0.2)
        raise BookError(f"the classic notebook did not start:\n{log.read_text()[-3000:]}")
    finally:
        server.terminate()
        server.wait(30)
