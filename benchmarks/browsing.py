"""What the benchmarks of pages share: a headless Chromium or Chrome."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


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
