"""A slice with its errors, coloured by kind (chapter *Looking at the masks*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guided_attention.evaluation.failures import KINDS
from guided_attention.figures.slices import show_slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = ["KIND_COLOURS", "failure_legend", "show_failures"]

#: Okabe and Ito's palette: one colour for each kind of error.
KIND_COLOURS: dict[str, str] = dict(
    zip(KINDS, ("#D55E00", "#CC79A7", "#F0E442", "#56B4E9", "#0072B2", "#009E73"), strict=True)
)


def show_failures(ax: Axes, image: np.ndarray, kinds: np.ndarray, *, title: str = "") -> None:
    """Draw one slice in grey and its wrong pixels in the colour of their kind.

    Parameters
    ----------
    ax : matplotlib Axes
    image : ndarray, (H, W)
    kinds : ndarray of int, (H, W)
        From `guided_attention.evaluation.failures.classify_errors`.
    title : str
    """
    from matplotlib.colors import ListedColormap

    show_slice(ax, image, title=title)
    colours = ListedColormap([*KIND_COLOURS.values()])
    ax.imshow(np.ma.masked_equal(kinds, 0), cmap=colours, vmin=0.5, vmax=len(KINDS) + 0.5, interpolation="nearest")


def failure_legend(figure: Figure) -> Legend:
    """Add a legend of the kinds' colours below a figure."""
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=kind) for kind, colour in KIND_COLOURS.items()]
    return figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
