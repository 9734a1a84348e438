"""Shared by all tests: threads, and what is done where real volumes or a browser are missing."""

import os
import shutil
from pathlib import Path

import pytest
import torch

#: Side by side (pytest-xdist) each process has one thread; alone it has two.
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else int(os.environ.get("OMP_NUM_THREADS", "2")))

ROOT = Path(__file__).parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HOW_TO_GET = {
    "real_data": (
        "real MR volumes",
        "need real volumes. Set GUIDED_ATTENTION_REAL_DATA to a folder with *_image.nii.gz and *_label.nii.gz:",
    ),
    "browser": (
        "a browser",
        "drive the widgets in Chromium or Chrome, and none was found. Install one (Debian and Ubuntu: apt install "
        "chromium), or set GUIDED_ATTENTION_BROWSER to its program:",
    ),
    "built_book": ("the built pages", "look at the pages of the book. Build them first, with `make book`:"),
}
BOOK = ROOT / "_build" / "html"


def find_real_data() -> Path | None:
    """Folder with the 20 real T2-SPIR volumes as NIfTI, or None."""
    named = os.environ.get("GUIDED_ATTENTION_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data" / "chaos_t2spir"
    return folder if any(folder.glob("*_image.nii.gz")) else None


def find_browser() -> str | None:
    """Path of a Chromium or Chrome, or None."""
    named = os.environ.get("GUIDED_ATTENTION_BROWSER")
    return next(filter(None, map(shutil.which, [named] if named else BROWSERS)), None)


def pytest_configure(config):
    config.addinivalue_line("markers", "real_data: needs real MR volumes (GUIDED_ATTENTION_REAL_DATA)")
    config.addinivalue_line("markers", "browser: needs Chromium or Chrome (GUIDED_ATTENTION_BROWSER)")
    config.addinivalue_line("markers", "built_book: needs the pages that `make book` builds")


def pytest_collection_modifyitems(config, items):
    """Leave out the tests whose needs are missing; the summary below says so.

    Where a browser is demanded (GUIDED_ATTENTION_DEMAND_BROWSER=1, as continuous integration does), its tests stay
    and fail without one, and so do those of the built pages.
    """
    for item in items:
        if "browser" in item.path.relative_to(ROOT).parts:
            item.add_marker("browser")
    missing = [] if find_real_data() else ["real_data"]
    if os.environ.get("GUIDED_ATTENTION_DEMAND_BROWSER") != "1":
        missing += ["browser"] * (find_browser() is None)
        missing += ["built_book"] * (not (BOOK / "index.html").is_file())
    config.left_out = {need: [item.nodeid for item in items if need in item.keywords] for need in missing}
    gone = [item for item in items if any(need in item.keywords for need in missing)]
    items[:] = [item for item in items if item not in gone]
    config.hook.pytest_deselected(items=gone)


def pytest_terminal_summary(terminalreporter, config):
    for need, items in getattr(config, "left_out", {}).items():
        if items:
            title, words = HOW_TO_GET[need]
            terminalreporter.section(f"not run: {title}")
            terminalreporter.line(f"{len(items)} tests {words}")
            for name in items:
                terminalreporter.line(f"  {name}")


def pytest_sessionfinish(session):
    """Where tests run side by side, a process tells the one that reports what it left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = getattr(session.config, "left_out", {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Hear it; all processes leave out the same."""
    node.config.left_out = getattr(node, "workeroutput", {}).get("left_out", {})


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real volumes; only tests marked ``real_data`` may ask for it."""
    folder = find_real_data()
    assert folder is not None, "mark this test with @pytest.mark.real_data"
    return folder


@pytest.fixture(scope="session")
def browser_program() -> str:
    """Path of the browser; only tests marked ``browser`` may ask for it."""
    program = find_browser()
    assert program is not None, "no Chromium or Chrome found: apt install chromium, or set GUIDED_ATTENTION_BROWSER"
    return program


@pytest.fixture(scope="session")
def decks(tmp_path_factory: pytest.TempPathFactory):
    """A book whose decks have been executed and written, once for all tests."""
    from pipeline.slides import make_slides
    from small_deck import deck_book

    book = deck_book(tmp_path_factory.mktemp("decks") / "book")
    make_slides(book)
    return book
