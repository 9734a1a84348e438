"""One position asks, all answer: a drawing of eq. 2 and 3, and the map they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guided_attention.figures.diagrams import arrow, box, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["show_asking", "show_map"]

_KEY, _VALUE, _ASKS = "#E8F1F8", "#FFF3DC", "#56B4E9"


def show_asking(logits: np.ndarray) -> Figure:
    """Draw position j asking a few others: products, weights, weighted values (chapter *Position attention*).

    Parameters
    ----------
    logits : array-like, (n,)
        The products of the keys with the one query. Bars and arrows are as long and as thick as their softmax says.
    """
    from matplotlib import pyplot as plt

    logits = np.asarray(logits, dtype=float)
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    figure, ax = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
    height = 1.6 * len(logits)
    canvas(ax, 19, height + 1.4)
    middle = height / 2
    box(ax, 1.3, middle, "$q_j$", _ASKS, width=1.6)
    ax.text(1.3, middle - 1.3, "position $j$\nasks", ha="center", va="center", fontsize=9)
    for i, (logit, weight) in enumerate(zip(logits, weights, strict=True)):
        y = height - 0.8 - 1.6 * i
        box(ax, 5.3, y, f"$k_{i + 1}$", _KEY, width=1.4)
        arrow(ax, (2.2, middle), (4.5, y))
        ax.text(6.3, y, f"$k_{i + 1} \\cdot q_j$ = {logit:.1f}", va="center", fontsize=9)
        ax.barh(y, 2.6 * weight, left=9.2, height=0.7, color=_ASKS, edgecolor="0.35")
        ax.text(9.3 + 2.6 * weight, y, f"{weight:.2f}", va="center", fontsize=9)
        box(ax, 13.6, y, f"$v_{i + 1}$", _VALUE, width=1.4)
        ax.plot([14.4, 16.5], [y, middle], color="0.35", lw=0.4 + 6 * weight, solid_capstyle="round", zorder=1)
    box(ax, 17.4, middle, "$\\sum_i s_{ij}\\, v_i$", _VALUE, width=2.4)
    for x, word in ((3.3, "ask"), (7.6, "match"), (10.5, "softmax"), (15.4, "fetch")):
        ax.text(x, height + 0.8, word, ha="center", fontsize=11, weight="bold")
    return figure


def show_map(ax: Axes, weights: np.ndarray, asking: int) -> None:
    """Draw an attention map with its axes named and the column of one asking position framed.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    weights : ndarray, (N, N)
        s_ij: row i answers, column j asks.
    asking : int
        The position j whose column is framed.
    """
    from matplotlib.patches import Rectangle

    n = len(weights)
    ax.imshow(weights, cmap="Greys", vmin=0, vmax=1)
    ax.add_patch(Rectangle((asking - 0.5, -0.5), 1, n, fill=False, edgecolor=_ASKS, lw=3))
    ax.set(xlabel="$j$ asks", ylabel="$i$ answers", xticks=range(n), yticks=range(n))
    ax.set_title(f"column {asking} adds up to {weights[:, asking].sum():.2f}", fontsize=10)
