"""A slice, with organs drawn over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guided_attention.data.labels import CHAOS_LABELS, LabelSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = ["ORGAN_COLOURS", "organ_legend", "show_errors", "show_slice"]

#: Of CHAOS's organs, out of Okabe and Ito's palette.
ORGAN_COLOURS: dict[str, str] = dict(zip(CHAOS_LABELS.organs, CHAOS_LABELS.colours[1:], strict=True))
#: Entries of a legend in one line, at most.
_ACROSS = 6
_MISSED, _INVENTED = "#D55E00", "#F0E442"


def show_slice(
    ax: Axes,
    image: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    title: str = "",
    aspect: float = 1.0,
    outline: bool = True,
    vmax: float | None = None,
    label_set: LabelSet = CHAOS_LABELS,
) -> None:
    """Draw one slice in grey, organs in colour.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    image : ndarray, (H, W)
        Grey values; black is their minimum.
    labels : ndarray of int, (H, W), optional
        Classes, as in ``Volume.labels``.
    title : str
        Above the picture.
    aspect : float
        Height of a pixel over its width: 1 for axial slices, dz / dx for coronal and sagittal ones.
    outline : bool
        Draw the organs' outlines; otherwise fill them, half transparent.
    vmax : float, optional
        Grey value of white; default the 99.5th percentile.
    label_set : LabelSet
        Of the labels; it knows the colours.
    """
    ax.imshow(
        image, cmap="gray", vmin=float(image.min()), vmax=vmax or float(np.percentile(image, 99.5)), aspect=aspect
    )
    if labels is not None:
        for value, colour in enumerate(label_set.colours[1:], start=1):
            _draw(ax, labels == value, colour, outline)
    _frame(ax, title)


def show_errors(ax: Axes, image: np.ndarray, prediction: np.ndarray, reference: np.ndarray, *, title: str = "") -> None:
    """Draw one slice with what a prediction missed (vermilion) and invented (yellow), whatever the organ.

    A pixel of one organ taken for another counts as missed. Arguments as for `show_slice`.
    """
    show_slice(ax, image)
    wrong = prediction != reference
    _draw(ax, wrong & (reference > 0), _MISSED, outline=False, alpha=0.8)
    _draw(ax, wrong & (reference == 0), _INVENTED, outline=False, alpha=0.8)
    _frame(ax, title)


def organ_legend(figure: Figure, *, errors: bool = False, label_set: LabelSet = CHAOS_LABELS) -> Legend:
    """Add a legend of the organs' colours below a figure; with ``errors`` also of `show_errors`."""
    from matplotlib.patches import Patch

    organs = zip(label_set.organs, label_set.colours[1:], strict=True)
    entries = {organ.replace("_", " "): colour for organ, colour in organs}
    if errors:
        entries |= {"missed": _MISSED, "invented": _INVENTED}
    handles = [Patch(color=colour, label=label) for label, colour in entries.items()]
    return figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), _ACROSS), frameon=False)


def _draw(ax: Axes, mask: np.ndarray, colour: str, outline: bool, alpha: float = 0.45) -> None:
    from matplotlib.colors import ListedColormap

    if not mask.any():
        return
    if outline:
        ax.contour(mask, levels=[0.5], colors=[colour], linewidths=1.4)
    else:
        ax.imshow(np.ma.masked_where(~mask, mask), cmap=ListedColormap([colour]), alpha=alpha, interpolation="nearest")


def _frame(ax: Axes, title: str) -> None:
    ax.set_title(title, fontsize=10)
    ax.set_xticks([])
    ax.set_yticks([])
    for letter, x, align in (("R", 0.02, "left"), ("L", 0.98, "right")):
        ax.text(x, 0.98, letter, transform=ax.transAxes, color="white", fontsize=9, ha=align, va="top")
