"""From a cell of a chapter to a page of the book: alive there, nothing from elsewhere, small and quick."""

from __future__ import annotations

from browser_tools import inspect, pixels

from pipeline import build
from pipeline.pages import check_pages
from small_book import small_book

#: As large as the book's own: 32 channels, four scales, two steps, two networks, a slice of 128 x 128.
CELL = """\
import torch
from guided_attention.models import build_model
from guided_attention.widgets import PositionExplorer
torch.manual_seed(0)
networks = {name: build_model(name, backbone="resnet18", channels=32) for name in ("ms-dual", "ms-dual-guided")}
PositionExplorer.from_model(networks, torch.randn(1, 1, 128, 128), at=(60, 60))"""


def test_a_widget_of_a_chapter_is_alive_on_its_page(show, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "make_data", lambda book: None)
    book = small_book(tmp_path / "small", CELL)
    html = build.build_book(book)
    assert check_pages(book) == []
    text = (html / "chapters" / "01_line.html").read_text()
    assert "cdn." not in text  # with the full stop, which packed arrays never contain
    assert "require.js" not in text
    (show.folder / "book").symlink_to(html)
    asked = {}
    page = show.open(
        "book/chapters/01_line.html",
        heard=lambda response: asked.update({response.url: int(response.headers.get("content-length", 0))}),
    )
    page.wait_for_selector('.ga-mount[data-state="ready"]')
    canvases = page.locator(".ga-columns canvas")
    before = pixels(canvases.nth(1))
    canvases.nth(0).focus()
    page.keyboard.press("ArrowRight")
    assert inspect(page)["position"] == [62, 66]  # middle of the next of 32 x 32 positions
    assert pixels(canvases.nth(1)) != before
    page.wait_for_load_state("load")
    own = {address: size for address, size in asked.items() if "/_static/" not in address}  # the theme's, on every page
    assert page.url in own
    assert sum(own.values()) < 1_500_000
