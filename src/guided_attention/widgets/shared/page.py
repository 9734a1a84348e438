"""A widget on a page without a kernel, without a network and without anybody else's loader."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

from guided_attention.widgets.shared.bundle import page_script, style
from guided_attention.widgets.shared.pack import encode

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["fragment", "page", "still"]


def fragment(name: str, state: dict[str, Any], picture: bytes, alt: str) -> str:
    """Return the HTML of one widget: to be put anywhere into a page, also opened from a folder.

    Parameters
    ----------
    name : str
        Its script.
    state : dict
        Values of its synchronised traits.
    picture : bytes
        A WebP for readers without JavaScript, and for whoever prints.
    alt : str
        What the picture shows.
    """
    text = encode(state)
    key = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    source = base64.b64encode(picture).decode()
    return (
        f'<div class="ga-mount mathjax_ignore" data-key="{key}">\n'
        f"<style>\n{style()}</style>\n"
        f'<noscript><img class="ga-picture" alt="{escape(alt)}" src="data:image/webp;base64,{source}"></noscript>\n'
        f'<script type="application/octet-stream">{text}</script>\n'
        f'<script type="module">\n{page_script(name)}$start("{key}");\n</script>\n'
        "</div>\n"
    )


def page(body: str, title: str) -> str:
    """Return a whole HTML document around one or more fragments."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n"
        "<style>:root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; "
        "max-width: 60rem; padding: 0 1rem; }</style>\n"
        f"</head>\n<body>\n{body}</body>\n</html>\n"
    )


def still(figure: Figure) -> bytes:
    """Return a matplotlib figure as a WebP of 90 dots per inch, and close it.

    Nothing is lost, because colours are names here: with a palette of its own, an organ would turn into its neighbour.
    """
    from matplotlib import pyplot as plt

    content = BytesIO()
    figure.savefig(content, format="webp", dpi=90, facecolor="white", pil_kwargs={"lossless": True})
    plt.close(figure)
    return content.getvalue()
