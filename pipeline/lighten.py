"""Make the finished pages lighter without changing what they show (page *How to use this book*)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

from guided_attention.files import write_bytes, write_text

__all__ = ["lighten"]

#: The theme brings its icons twice: as fonts, which the pages use as they are, and as 1.5 MB of script that would turn
#: each of them into an SVG.
_ICON_SCRIPT = re.compile(r"[ \t]*<script[^>]*\bsrc=\"[^\"]*/scripts/fontawesome\.js[^\"]*\"[^>]*></script>\n?")
#: A picture that a cell or a page shows; the pictures that widgets carry for readers without JavaScript have no file.
_PICTURE = re.compile(r"<img (?P<rest>[^>]*\bsrc=\"[^\"]*_images/(?P<name>[^\"/]+\.png)\"[^>]*)>")
_FILE = re.compile(r"(?<=_images/)[^\"/]+\.png(?=\")")


def lighten(html: Path) -> None:
    """Rewrite all pages in place.

    Icons are drawn by their fonts alone. Pictures become lossless WebP where that is smaller (to half the size, for
    figures), say how large they are, so that nothing moves while a page loads, and are fetched when they come near.

    Parameters
    ----------
    html : Path
        Folder of the pages.
    """
    sizes = {path.name: _shrink(path) for path in sorted((html / "_images").glob("*.png"))}
    for page in sorted(html.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        lighter = _PICTURE.sub(_tag(sizes), _ICON_SCRIPT.sub("", text))
        lighter = _FILE.sub(lambda found: sizes.get(found[0], found)[0], lighter)
        if lighter != text:
            write_text(page, lighter)
    for name, (final, *_) in sizes.items():
        if final != name:
            (html / "_images" / name).unlink()
    for script in (html / "_static" / "scripts").glob("fontawesome.js*"):
        script.unlink()


def _shrink(path: Path) -> tuple[str, int, int]:
    """Write a picture as WebP beside it if that is smaller; return the name to use, width and height."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(path) as picture:
        width, height = picture.size
        picture.save(buffer, "WEBP", lossless=True, exact=True, method=4)
    if buffer.tell() >= path.stat().st_size:
        return path.name, width, height
    return write_bytes(path.with_suffix(".webp"), buffer.getvalue()).name, width, height


def _tag(sizes: dict[str, tuple[str, int, int]]) -> Callable[[re.Match[str]], str]:
    def rewritten(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in sizes or "loading=" in found["rest"]:
            return found[0]
        _, width, height = sizes[name]
        size = "" if re.search(r"\b(width|height)\s*[=:]", found["rest"]) else f' width="{width}" height="{height}"'
        return f'<img loading="lazy"{size} {found["rest"]}>'

    return rewritten
