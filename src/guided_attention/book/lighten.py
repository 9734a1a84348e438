"""Take out of the finished pages what every reader would load and nobody would miss (page *How to use this book*)."""

from __future__ import annotations

import re
from pathlib import Path

from guided_attention.files import write_text

__all__ = ["lighten"]

#: The theme brings its icons twice: as fonts, which the pages use as they are, and as 1.5 MB of script that would turn
#: each of them into an SVG.
_ICON_SCRIPT = re.compile(r"[ \t]*<script[^>]*\bsrc=\"[^\"]*/scripts/fontawesome\.js[^\"]*\"[^>]*></script>\n?")


def lighten(html: Path) -> int:
    """Remove the script that draws icons from all pages, and the script itself; the icons' fonts draw them.

    Parameters
    ----------
    html : Path
        Folder of the pages.

    Returns
    -------
    int
        Pages that were changed.
    """
    changed = 0
    for page in sorted(html.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        lighter = _ICON_SCRIPT.sub("", text)
        if lighter != text:
            write_text(page, lighter)
            changed += 1
    for script in (html / "_static" / "scripts").glob("fontawesome.js*"):
        script.unlink()
    return changed
