"""Widgets in a real browser: pages from 127.0.0.1, everything else blocked, not one error in the console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from pipeline.serve import serving

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser(browser_program: str) -> Iterator[Browser]:
    """One Chromium for each test file: while it runs, no other asyncio loop may."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser_program, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, list]]:
    """Return an empty folder, the address under which it is served, and a list of the widgets in it."""
    folder = tmp_path_factory.mktemp("pages")
    with serving(folder) as address:
        yield folder, address, []


class Show:
    """Opens pages, and keeps what they complain about and whom they ask."""

    def __init__(self, browser: Browser, served: tuple[Path, str, list]) -> None:
        self.browser, (self.folder, self.address, self.kept) = browser, served
        self.contexts, self.complaints = [], []

    def open(
        self,
        name: str,
        *,
        width: int = 1440,
        scheme: str = "light",
        touch: bool = False,
        before: str = "",
        heard: Callable | None = None,
        **options,
    ) -> Page:
        """Open a page of the served folder in a context of its own; everything but loopback is blocked.

        ``before`` is JavaScript that runs before the page's own; ``heard`` is told of every response.
        """
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=touch, **options
        )
        self.contexts.append(context)
        context.route("**/*", self._only_loopback)
        if before:
            context.add_init_script(before)
        page = context.new_page()
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self._heard("error", str(error)))
        if heard:
            page.on("response", heard)
        page.goto(f"{self.address}/{name}")
        return page

    def __call__(self, widget, *, wait: bool = True, **options) -> Page:
        """Open a page with one widget; return it when the widget stands."""
        if widget not in self.kept:  # shown again, it is not written again: do not change it in between
            self.kept.append(widget)
            widget.save(self.folder / f"{len(self.kept) - 1}.html")
        name = f"{self.kept.index(widget)}.html"
        page = self.open(name, **options)
        if wait:
            page.wait_for_selector('.ga-mount[data-state="ready"]')
        return page

    def _only_loopback(self, route: Route) -> None:
        if route.request.url.startswith((self.address + "/", "data:", "blob:")):
            route.continue_()
        else:
            self._heard("error", f"asked for {route.request.url}")
            route.abort()

    def _heard(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)


@pytest.fixture
def show(browser: Browser, served: tuple[Path, str, list]) -> Iterator[Show]:
    """Open widgets: ``page = show(widget, width=390, scheme="dark", touch=True)``. Complaints fail the test."""
    shown = Show(browser, served)
    yield shown
    for context in shown.contexts:
        context.close()
    assert shown.complaints == []
