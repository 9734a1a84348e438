"""How time and memory grow with the size of a problem, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from guided_attention.figures.slices import ORGAN_COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["show_growth"]

Curve = tuple[Sequence[float], Sequence[float]]


def show_growth(
    panels: Mapping[str, Mapping[str, Curve]], label: str = "positions N", grow: Sequence[int] = (1, 2)
) -> Figure:
    """Draw a panel for each quantity, and in it a curve for each contender: straight lines are powers of the size.

    Parameters
    ----------
    panels : mapping title -> (mapping contender -> (sizes, values))
        All positive.
    label : str
        What the sizes are.
    grow : sequence of int
        Exponents for which a thin line is drawn to compare with, from the lowest left point of each panel.
    """
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.6), layout="constrained", squeeze=False)
    colours = [*ORGAN_COLOURS.values(), "0.3"]
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        for i, (name, (sizes, values)) in enumerate(curves.items()):
            ax.loglog(sizes, values, "o-"[: 1 + (len(sizes) > 1)], color=colours[i % len(colours)], label=name)
        start = min(min(sizes) for sizes, _ in curves.values())
        end = max(max(sizes) for sizes, _ in curves.values())
        lowest = min(min(values) for _, values in curves.values())
        for power in grow:
            ax.loglog([start, end], [lowest, lowest * (end / start) ** power], ":", color="0.6", linewidth=1)
            ax.annotate(f"N^{power}", (end, lowest * (end / start) ** power), color="0.4", fontsize=8)
        ax.set(title=title, xlabel=label)
    axes[0][0].legend(fontsize=8)
    return figure
