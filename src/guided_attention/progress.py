"""Bars that say how far something long has come (chapter *Training the network*)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

__all__ = ["progress_bar"]


def progress_bar(iterable: Iterable[Any] | None = None, *, show: bool = True, **options: Any) -> Any:
    """Return tqdm's bar for where the program runs: a terminal or a notebook.

    Parameters
    ----------
    iterable : iterable, optional
        What to go through.
    show : bool
        Draw it. Whatever this says, nothing is drawn where the environment variable ``TQDM_DISABLE`` is set, as for
        the book's pages: tqdm itself does not look at it when it is told whether to draw, nor in a notebook.
    **options
        tqdm's own.

    Returns
    -------
    tqdm.tqdm
    """
    from tqdm.auto import tqdm

    return tqdm(iterable, disable=not show or os.environ.get("TQDM_DISABLE", "0") not in ("", "0"), **options)
