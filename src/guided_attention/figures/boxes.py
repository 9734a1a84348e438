"""Box plots of several networks: a box for each, a dot for each subject (Fig. 4 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["show_boxes"]

#: Panels in a line, at most.
_ACROSS = 8
_DOTS, _BOX = "#0072B2", "0.35"


def show_boxes(panels: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]], title: str = "") -> Figure:
    """Draw rows of panels for each metric and a column for each organ; networks from top to bottom in each.

    Parameters
    ----------
    panels : mapping metric -> organ -> network -> values
        Names as they shall be written. One value for each subject; an undefined score (NaN) has no dot. All panels
        need the same organs and networks.
    title : str
        Says whose numbers these are.
    """
    from matplotlib import pyplot as plt

    organs = list(next(iter(panels.values())))
    networks = list(next(iter(panels.values()))[organs[0]])
    columns = min(len(organs), _ACROSS)
    lines = ceil(len(organs) / columns)  # of panels for each metric
    size = (1.6 + 2.2 * columns, 0.6 + lines * len(panels) * (0.7 + 0.25 * len(networks)))
    figure, axes = plt.subplots(
        lines * len(panels), columns, figsize=size, layout="constrained", squeeze=False, sharex="row", sharey=True
    )
    for block, (metric, of_organs) in zip(axes.reshape(len(panels), -1), panels.items(), strict=True):
        for ax, organ in zip(block, organs, strict=False):
            for place, network in enumerate(networks):
                values = np.array(of_organs[organ][network], float)
                values = values[~np.isnan(values)]
                ax.boxplot(
                    values,
                    positions=[place],
                    orientation="horizontal",
                    widths=0.65,
                    showfliers=False,  # every subject is a dot already
                    boxprops={"color": _BOX},
                    medianprops={"color": "#D55E00", "linewidth": 1.6},
                )
                shift = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else 0.0
                ax.plot(values, place + shift, "o", color=_DOTS, markersize=3.5, alpha=0.8)
            ax.set_title(organ, fontsize=10)
            ax.set_xlabel(metric, fontsize=9)
            ax.set_yticks(range(len(networks)), networks)
            ax.grid(axis="x", color="0.85")
            ax.set_axisbelow(True)
        ends = np.array([ax.get_xlim() for ax in block[: len(organs)]])
        for ax in block[::columns]:  # the others of its line follow
            ax.set_xlim(ends[:, 0].min(), ends[:, 1].max())
        for ax in block[len(organs) :]:
            ax.set_axis_off()
    axes[0, 0].set_ylim(len(networks) - 0.5, -0.5)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure
