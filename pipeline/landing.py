"""The living explorer on the first page, made anew by each build (page *How to use this book*)."""

from __future__ import annotations

import re

import numpy as np

from pipeline.layout import Book, BookError

__all__ = ["EXPLORER_MARK", "buttons_to_colab", "explorer"]

#: Line of ``book/index.md`` (a MyST comment) that the explorer replaces.
EXPLORER_MARK = "% the explorer of this build"

#: A link to a generated notebook: on GitHub it opens the notebook, on a page Colab.
_NOTEBOOK = re.compile(r"\]\(\.\./notebooks/(?P<stem>\d\d_\w+)\.ipynb\)")


def explorer() -> str:
    """Return MyST: the position explorer of the trained network on a synthetic slice, and what one sees.

    One network at one scale, where it opens by `guided_attention.widgets.shared.first_view`: the page stays small. The
    subject is drawn for this page, so no network has seen it.
    """
    from guided_attention.data.phantom import make_phantom, phantom_settings
    from guided_attention.models.stored.pretrained import load_pretrained
    from guided_attention.widgets import PositionExplorer
    from guided_attention.widgets.shared.first_view import coverage
    from guided_attention.widgets.shared.inputs import as_slice

    network, spec = load_pretrained("ms-dual-guided")
    slice_ = as_slice(make_phantom(7, phantom_settings("small")).in_phase, inputs=spec.inputs)
    opened = PositionExplorer.from_model(network, slice_)
    shown = PositionExplorer.from_model(network, slice_, at=tuple(opened.position), scales=(opened.scale,))
    shown.step = opened.step
    row, organs = shown.row(), np.asarray(slice_.labels) > 0
    share = float((row * coverage(organs, row.shape)).sum())
    asks = shown.data["classes"][int(slice_.labels[tuple(shown.position)])]["name"]
    return (
        ":::{div} landing-caption\n"
        "Click a pixel of this synthetic abdomen, and see what a trained network attends to from there. The patient's "
        "right is on the picture's left.\n:::\n\n"
        f'``````{{raw}} html\n<div class="landing-explorer">\n{shown.to_html()}</div>\n``````\n\n'
        ":::{div} landing-caption\n"
        f"The page opens on the view with most to show, which is no typical one: {_spoken(asks)} asks, and the four "
        f"organs, which cover {organs.mean():.0%} of the slice, get {share:.0%} of its attention. "
        "[Attention you can touch](../chapters/21_touch.md) lets you see all views, because the dull ones count as "
        "well.\n:::"
    )


def buttons_to_colab(text: str, book: Book) -> str:
    """Let links to ``../notebooks/NN.ipynb``, which GitHub shows, open on Colab.

    Raises
    ------
    BookError
        If there is no such chapter.
    """

    def swap(link: re.Match[str]) -> str:
        if link["stem"] not in book.chapters:
            raise BookError(f"book/index.md links to notebooks/{link['stem']}.ipynb, which is no chapter of _toc.yml.")
        return f"]({book.colab(link['stem'])})"

    return _NOTEBOOK.sub(swap, text)


def _spoken(organ: str) -> str:
    """``kidney left`` as one says it."""
    kind, _, side = organ.partition(" ")
    return f"the {side} {kind}" if side else f"the {organ}"
