"""What the benchmarks of pages share: a server on loopback, and a headless Chromium or Chrome."""

from __future__ import annotations

import argparse
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing about it."""

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def add_browser(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``--browser``."""
    parser.add_argument("--browser", default=os.environ.get("GUIDED_ATTENTION_BROWSER"), help="a Chromium or Chrome")


@contextmanager
def browser(parser: argparse.ArgumentParser, named: str | None) -> Iterator[Browser]:
    """Start the browser that was named, or the first that is found; say so if there is none."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, [named] if named else PROGRAMS)), None)
    if program is None:
        parser.error("found no Chromium or Chrome; name one by --browser")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()
