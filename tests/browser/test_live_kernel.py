"""The same widget in JupyterLab with a kernel: Python hears what the reader does, and the other way round."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import pytest
from browser_tools import inspect
from playwright.sync_api import Page

CELLS = [
    """\
import torch
from torch import nn
from guided_attention.models.attention import ChannelAttention, PositionAttention
from guided_attention.widgets import ChannelExplorer, PositionExplorer
torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(1, 16, 4, stride=4), PositionAttention(16), ChannelAttention("scaled"))
image = torch.randn(1, 1, 64, 64)
explorer = PositionExplorer.from_model(network, image, at=(60, 60))
explorer""",
    'print("found", explorer.position, explorer.pinned, explorer.row().argmax())',
    "explorer.position = [33, 5]",
    "channels = ChannelExplorer.from_model(network, image, channel=0)\nchannels",
    'print("found", channels.channel, channels.other)',
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a JupyterLab with one notebook, ``widgets.ipynb``; it reads and writes nothing of the user's."""
    folder: Path = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    (folder / "work").mkdir()
    nbformat.write(notebook, folder / "work" / "widgets.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR")}
    environment = {**os.environ, **own, "GUIDED_ATTENTION_WIDGETS": "kernel", "JUPYTERLAB_SETTINGS_DIR": str(folder)}
    options = [f"--port={port}", "--ip=127.0.0.1", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    options += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder / 'work'}"]
    options += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log, cwd=folder
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address, server, folder / "log")
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        try:
            with urlopen(f"{address}/api/status", timeout=5):
                return
        except URLError:
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start in a minute:\n{log.read_text()}")


def run_cell(page: Page, number: int) -> None:
    page.locator(".jp-CodeCell").nth(number).locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")


def printed(page: Page, number: int) -> list[int]:
    """Run a cell that prints numbers, and return them."""
    run_cell(page, number)
    output = page.locator(".jp-CodeCell").nth(number).locator(".jp-OutputArea-output").filter(has_text="found")
    return [int(found) for found in re.findall(r"\d+", output.inner_text(timeout=30_000))]


def test_python_and_the_reader_hear_each_other(browser, lab):
    context = browser.new_context(viewport={"width": 1300, "height": 1600})
    asked = []
    context.route(
        lambda address: not address.startswith((lab, "data:", "blob:")),
        lambda route: (asked.append(route.request.url), route.abort()),
    )
    page = context.new_page()
    page.goto(f"{lab}/lab/tree/widgets.ipynb")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)  # in the status bar: connected
    run_cell(page, 0)
    page.wait_for_selector("section.ga-position", timeout=60_000)
    assert inspect(page)["position"] == [60, 60]
    canvas = page.locator("section.ga-position canvas").first
    canvas.click(position={"x": 2, "y": 2})
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    shown = inspect(page)
    row, col, pin_row, pin_col, loudest = printed(page, 1)
    assert [row, col] == [pin_row, pin_col] == shown["position"]
    assert row < 4 <= col < 8  # the map has 16 x 16 positions
    assert loudest == max(range(256), key=shown["row"].__getitem__)
    run_cell(page, 2)
    page.wait_for_function(
        "document.querySelector('section.ga-position').inspect().position.join() === '33,5'", timeout=30_000
    )
    run_cell(page, 3)
    page.wait_for_selector("section.ga-channel", timeout=30_000)
    page.locator("section.ga-channel canvas").first.focus()
    page.keyboard.press("ArrowDown")
    channel, other = printed(page, 4)
    assert channel == 1
    assert page.eval_on_selector("section.ga-channel", "root => root.inspect().other") == other
    assert asked == []
    context.close()
