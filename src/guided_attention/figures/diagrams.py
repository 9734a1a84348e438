"""Box-and-arrow drawings of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["show_network", "show_scale"]

_DATA, _WORK = "#E8F1F8", "#FFF3DC"


def show_network() -> Figure:
    """Draw the whole network: backbone, fusion, attention at four scales, eight predictions."""
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(figsize=(9, 4.2), layout="constrained")
    canvas(ax, 18, 9)
    box(ax, 1.2, 4.5, "slice", _DATA)
    for s in range(4):
        y = 7.7 - 2.1 * s
        box(ax, 4.4, y, f"Res-{s + 2}", _WORK, width=1.9)
        box(ax, 7.4, y, f"$F'_{s}$", _DATA, width=1.5)
        box(ax, 13.0, y, f"attention {s}", _WORK, width=2.6)
        box(ax, 16.5, y, f"$A_{s}$", _DATA, width=1.5)
        arrow(ax, (5.4, y), (6.6, y))
        arrow(ax, (8.2, y + 0.25), (11.6, y + 0.25))
        arrow(ax, (8.2, y - 0.2), (9.4, 4.5 + 0.35 * (1.5 - s)))
        arrow(ax, (10.6, 4.5 + 0.35 * (1.5 - s)), (11.6, y - 0.2))
        arrow(ax, (14.35, y), (15.7, y))
        if s < 3:
            arrow(ax, (4.4, y - 0.6), (4.4, y - 1.5))
    arrow(ax, (2.3, 5.1), (3.4, 7.4))
    box(ax, 10.0, 4.5, "$F_{MS}$", _DATA, width=1.2, height=2.2)
    ax.text(7.4, 0.2, "prediction from $F'_s$", ha="center", fontsize=9)
    ax.text(16.5, 0.2, "prediction from $A_s$", ha="center", fontsize=9)
    return figure


def show_scale() -> Figure:
    """Draw the guided refinement of one scale: two attention steps and their encoder-decoders."""
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(figsize=(9, 3.8), layout="constrained")
    canvas(ax, 18, 8)
    for step, x in ((1, 4.6), (2, 12.4)):
        box(ax, x, 5.6, f"dual attention {step}", _WORK, width=3.2)
        box(ax, x - 1.5, 2.2, f"$E_{step}$", _WORK, width=1.3)
        box(ax, x + 1.5, 2.2, f"$D_{step}$", _WORK, width=1.3)
        arrow(ax, (x - 0.8, 2.2), (x + 0.8, 2.2))
        ax.text(x, 2.45, "latent", ha="center", fontsize=8)
        arrow(ax, (x - 2.7, 5.4), (x - 2.0, 2.8))
        arrow(ax, (x - 2.7, 5.6), (x - 1.7, 5.6))
        arrow(ax, (x + 1.7, 5.6), (x + 2.7, 5.6))
        arrow(ax, (x + 1.9, 2.8), (x + 3.0, 5.1))
        box(ax, x + 3.1, 5.6, "×", _WORK, width=0.8)
    box(ax, 1.0, 5.6, "$F=$\n$[F'_s, F_{MS}]$", _DATA, width=1.9)
    box(ax, 9.1, 5.6, "$F_{SA}$", _DATA, width=1.0)
    box(ax, 17.2, 5.6, "$A_s$", _DATA, width=1.2)
    arrow(ax, (8.1, 5.6), (8.6, 5.6))
    arrow(ax, (15.9, 5.6), (16.6, 5.6))
    ax.annotate(
        "",
        (12.4, 1.7),
        (4.6, 1.7),
        arrowprops={"arrowstyle": "<->", "color": "#CC79A7", "lw": 1.6, "connectionstyle": "arc3,rad=0.18"},
    )
    ax.text(8.5, 0.05, "guided loss: the latents agree", ha="center", fontsize=9, color="#A5477F")
    return figure


def canvas(ax: Axes, width: float, height: float) -> None:
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.set_axis_off()


def box(ax: Axes, x: float, y: float, text: str, colour: str, width: float = 2.2, height: float = 1.1) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (x - width / 2, y - height / 2)
    ax.add_patch(
        FancyBboxPatch(
            corner, width, height, boxstyle="round,pad=0.02,rounding_size=0.15", fc=colour, ec="0.35", zorder=3
        )
    )
    ax.text(x, y, text, ha="center", va="center", fontsize=9, color="black", zorder=4)


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.35", "lw": 1})
