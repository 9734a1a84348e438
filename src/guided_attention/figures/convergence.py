"""How fast networks learn: validation DSC against the epoch (Fig. 5 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, isnan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["show_convergence"]

_OTHERS, _OWN, _BEST = "0.82", "#0072B2", "#D55E00"


def show_convergence(
    curves: Mapping[str, Sequence[Sequence[tuple[int, float]]]], title: str = "", columns: int = 4
) -> Figure:
    """Draw a panel for each network: its curves in blue with the best epoch marked, all others in grey behind.

    Eleven colours in one panel could not be told apart.

    Parameters
    ----------
    curves : mapping from network to sequence of curves
        A curve is a sequence of (epoch, DSC), one for each training (fold and seed). NaN are left out.
    title : str
        Says whose numbers these are.
    columns : int
        Panels in a row.
    """
    from matplotlib import pyplot as plt

    columns = min(columns, len(curves))
    rows = ceil(len(curves) / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.7 * columns, 0.4 + 2.1 * rows), layout="constrained", squeeze=False
    )
    known = {
        network: [[(epoch, dsc) for epoch, dsc in curve if not isnan(dsc)] for curve in its]
        for network, its in curves.items()
    }
    for ax, (network, its) in zip(axes.flat, known.items(), strict=False):
        for other, theirs in known.items():
            for curve in theirs if other != network else ():
                ax.plot(*_xy(curve), color=_OTHERS, lw=0.8, zorder=1)
        best = []
        for curve in its:
            ax.plot(*_xy(curve), color=_OWN, lw=1.6, zorder=2)
            if curve:
                best.append(max(curve, key=lambda point: point[1]))
                ax.plot(*best[-1], "o", color=_BEST, markersize=6, zorder=3)
        said = ", ".join(str(epoch) for epoch, _ in best)
        ax.set_title(f"{network}\nbest epoch {said or 'unknown'}", fontsize=9)
        ax.set_ylim(0, 1)
    for ax in axes.flat[len(known) :]:
        ax.set_axis_off()
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("validation DSC", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _xy(curve: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [epoch for epoch, _ in curve], [dsc for _, dsc in curve]
