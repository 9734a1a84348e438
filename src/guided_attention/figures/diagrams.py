"""Box-and-arrow drawings of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["show_dual", "show_loop", "show_network", "show_scale"]

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


def show_loop() -> Figure:
    """Draw the training loop: the circle of steps, and around it the circle of epochs (chapter *Write the loop*)."""
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
    canvas(ax, 21.6, 8.2)
    for x, y, text, colour in (
        (2.2, 5.2, "next batch", _DATA),
        (6.4, 5.2, "objective", _WORK),
        (6.4, 2.4, "gradients", _DATA),
        (2.2, 2.4, "step of Adam", _WORK),
    ):
        box(ax, x, y, text, colour, width=2.7)
    for start, end in (((3.6, 5.2), (5.0, 5.2)), ((6.4, 4.6), (6.4, 3.0)), ((5.0, 2.4), (3.6, 2.4))):
        arrow(ax, start, end)
    arrow(ax, (2.2, 3.0), (2.2, 4.6))
    ax.text(4.3, 3.8, "an epoch of steps", ha="center", va="center", fontsize=9)
    box(ax, 10.8, 3.8, "validation", _WORK, width=2.6)
    arrow(ax, (7.9, 3.8), (9.4, 3.8))
    for y, text in ((5.2, "better than ever:\nkeep the weights"), (2.4, "too long no better:\nhalve the rate")):
        box(ax, 15.3, y, text, _WORK, width=4.1, height=1.5)
        arrow(ax, (12.2, 3.8), (13.2, y))
        arrow(ax, (17.4, y), (18.6, 3.8 + 0.2 * (y - 3.8)))
    box(ax, 20.0, 3.8, "next epoch", _DATA, width=2.6)
    ax.plot([20.0, 20.0, 2.2], [4.4, 7.3, 7.3], color="0.35", lw=1)
    arrow(ax, (2.2, 7.3), (2.2, 5.8))
    return figure


def show_dual() -> Figure:
    """Draw one dual attention module: two branches between convolutions, summed (chapter *Two attentions, twice*)."""
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(figsize=(7.6, 2.6), layout="constrained")
    canvas(ax, 16, 5.4)
    box(ax, 1.0, 2.7, "$x$", _DATA, width=1.2)
    for y, word in ((4.2, "position attention"), (1.2, "channel attention")):
        arrow(ax, (1.7, 2.7 + 0.15 * (y - 2.7)), (2.9, y))
        for at, text, width in ((3.9, "conv", 1.8), (7.2, word, 3.4), (10.5, "conv", 1.8)):
            box(ax, at, y, text, _WORK, width=width)
        arrow(ax, (4.9, y), (5.4, y))
        arrow(ax, (9.0, y), (9.5, y))
        arrow(ax, (11.5, y), (12.5, 2.7 + 0.2 * (y - 2.7)))
    box(ax, 12.9, 2.7, "+", _WORK, width=0.8)
    arrow(ax, (13.4, 2.7), (14.0, 2.7))
    box(ax, 14.9, 2.7, "$A$", _DATA, width=1.6)
    return figure


def show_scale(guided: bool = True) -> Figure:
    """Draw one scale: two attention steps, and the encoder-decoders beside them where it is guided.

    Used in the chapters *Two attentions, twice* and *The chaperone*.
    """
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(figsize=(9.4, 4.2 if guided else 2.6), layout="constrained")
    canvas(ax, 20, 8.6 if guided else 5.2)
    top = 5.2 if guided else 1.8
    results = ("$A^{(1)}$", "$A_s$")
    for step, x in ((1, 4.4), (2, 14.6)):
        box(ax, x, top, f"conv,\ndual attention {step}", _WORK, width=3.2)
        arrow(ax, (x - 2.2, top), (x - 1.7, top))
        arrow(ax, (x + 1.7, top), (x + 2.1, top))
        if guided:
            _draw_chaperone(ax, step, x, top)
        box(ax, x + (3.9 if guided else 2.9), top, results[step - 1], _DATA, width=1.2)
    _draw_second_input(ax, top, 8.9 if guided else 7.9)
    if guided:
        style = {"arrowstyle": "<->", "color": "#CC79A7", "lw": 1.6, "connectionstyle": "arc3,rad=0.15"}
        ax.annotate("", (14.2, 1.5), (4.0, 1.5), arrowprops=style)
        ax.text(9.5, 0.05, "guided loss: the latents agree", ha="center", fontsize=9, color="#A5477F")
    return figure


def _draw_second_input(ax: Axes, top: float, x: float) -> None:
    """What step 1 gets, and what step 2 gets: the fused features times what step 1 found, beside the raw ones."""
    box(ax, 1.1, top, "$F_s=$\n$[F'_s, F_{MS}]$", _DATA, width=2.1)
    box(ax, 11.2, top, "$F_{SA}=[F'_s,$\n$A^{(1)}\\odot F_{MS}]$", _DATA, width=2.4)
    arrow(ax, (x + 0.05, top), (9.9, top))
    box(ax, 11.2, top + 2.6, "$F'_s, F_{MS}$", _DATA, width=2.4)
    arrow(ax, (11.2, top + 2.0), (11.2, top + 0.65))
    ax.plot([1.1, 1.1, 9.95], [top + 0.6, top + 2.6, top + 2.6], color="0.35", lw=1, zorder=1)


def _draw_chaperone(ax: Axes, step: int, x: float, top: float) -> None:
    """The encoder-decoder beside a step, from the step's input to the product with its attention features."""
    for at, word in ((x - 1.7, f"$E_{step}$"), (x + 0.9, f"$D_{step}$"), (x + 2.5, f"$g_{step}$")):
        box(ax, at, 2.0, word, _WORK, width=1.1)
    arrow(ax, (x - 1.1, 2.0), (x + 0.3, 2.0))
    ax.text(x - 0.4, 2.25, "latent", ha="center", fontsize=8)
    arrow(ax, (x + 1.5, 2.0), (x + 1.9, 2.0))
    arrow(ax, (x - 2.9, top - 0.6), (x - 2.1, 2.6))
    arrow(ax, (x + 2.5, 2.6), (x + 2.5, top - 0.6))
    box(ax, x + 2.5, top, "×", _WORK, width=0.7)
    arrow(ax, (x + 2.9, top), (x + 3.25, top))


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
