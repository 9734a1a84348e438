"""The masks of several networks on the same slices, the reference first (Fig. 6 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.figures.slices import organ_legend, show_slice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MaskRow", "show_side_by_side"]

#: Pixels around the organs that are shown.
_MARGIN = 12


@dataclass(frozen=True, eq=False)
class MaskRow:
    """One slice with all its masks.

    Parameters
    ----------
    name : str
        Which subject and slice.
    image : array (H, W)
        Grey values.
    reference : array of int (H, W)
        Classes.
    masks : mapping from network to array of int (H, W)
        Predicted classes.
    """

    name: str
    image: np.ndarray
    reference: np.ndarray
    masks: Mapping[str, np.ndarray]


def show_side_by_side(
    rows: Sequence[MaskRow], title: str = "", columns: int = 6, label_set: LabelSet = CHAOS_LABELS
) -> Figure:
    """Draw every slice with the organs of the reference, then of each network, filled in their colours.

    Radiological orientation: the patient's right is on the picture's left. The title of a panel says how many pixels
    of the slice differ from the reference.

    Parameters
    ----------
    rows : sequence of MaskRow
        With the same networks each.
    title : str
        Says whose masks these are.
    columns : int
        Panels side by side; a slice takes as many lines as it needs.
    label_set : LabelSet
        Of all masks.
    """
    from matplotlib import pyplot as plt

    panels = 1 + len(rows[0].masks)
    columns = min(columns, panels)
    lines = ceil(panels / columns)
    figure, axes = plt.subplots(
        len(rows) * lines,
        columns,
        figsize=(1.9 * columns, 0.8 + 1.75 * lines * len(rows)),
        layout="constrained",
        squeeze=False,
    )
    for number, row in enumerate(rows):
        block = axes[number * lines : (number + 1) * lines].ravel()
        window = _window([row.reference, *row.masks.values()])
        white = float(np.percentile(row.image, 99.5))
        drawn = {f"reference\n{row.name}": row.reference}
        drawn |= {f"{name}\n{np.count_nonzero(m != row.reference)} px differ": m for name, m in row.masks.items()}
        for ax, (name, mask) in zip(block, drawn.items(), strict=False):
            show_slice(ax, row.image[window], mask[window], title=name, outline=False, vmax=white, label_set=label_set)
            ax.title.set_fontsize(8)
        for ax in block[len(drawn) :]:
            ax.set_axis_off()
    organ_legend(figure, label_set=label_set)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _window(masks: Sequence[np.ndarray]) -> tuple[slice, slice]:
    """The part of the slice that holds all organs of all masks, and a margin; the whole slice without any."""
    organ = np.any([mask > 0 for mask in masks], axis=0)
    if not organ.any():
        return slice(None), slice(None)
    ends = []
    for axis in (1, 0):
        where = np.flatnonzero(organ.any(axis=axis))
        ends.append(slice(max(0, int(where[0]) - _MARGIN), int(where[-1]) + _MARGIN + 1))
    return ends[0], ends[1]
