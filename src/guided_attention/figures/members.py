"""What happens at one scale in each member of the family, drawn from the modules that each member has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guided_attention.figures.diagrams import arrow, box, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import nn

__all__ = ["scale_parts", "show_members"]

_DATA, _WORK, _WEIGH, _FAR = "#E8F1F8", "#FFF3DC", "#F0E442", "#F5B041"
_COLOURS = {"mask": _WEIGH, "position": _FAR, "channel": _FAR, "semantic": _WEIGH}
_WORDS = {"mask": "× channel mask", "position": "∗ position", "channel": "∗ channel", "semantic": "× $D_t(E_t)$"}


def scale_parts(scale: nn.Module) -> list[list[str]]:
    """What the attention of one scale consists of, read off its modules.

    Parameters
    ----------
    scale : nn.Module
        An element of ``MultiScaleAttentionNet.scales``.

    Returns
    -------
    list of list of str
        For each step the parts it has, among ``"mask"``, ``"position"``, ``"channel"``, ``"semantic"``.
    """
    if not hasattr(scale, "steps"):
        return [["mask"]]
    branches = [[name for name in ("position", "channel") if getattr(step, name) is not None] for step in scale.steps]
    return [[*names, "semantic"] if scale.guided else names for names in branches]


def show_members(width: int = 16) -> Figure:
    """Draw the attention of one scale for all members of `guided_attention.models.FAMILY`, one below the other.

    Parameters
    ----------
    width : int
        Channels of the networks that are built to be looked at.

    Notes
    -----
    Used in the chapter *The baseline and the family*.
    """
    from matplotlib import pyplot as plt

    from guided_attention.models import FAMILY, build_model

    figure, ax = plt.subplots(figsize=(7.6, 5.8), layout="constrained")
    canvas(ax, 15.7, 2.2 * len(FAMILY))
    for row, name in enumerate(FAMILY):
        scale = build_model(name, backbone="resnet18", channels=width).scales[0]
        _member(ax, name, scale_parts(scale), y=2.2 * (len(FAMILY) - row) - 1.1)
    return figure


def _member(ax: Axes, name: str, steps: list[list[str]], y: float) -> None:
    ax.text(0, y, name, va="center", fontsize=10, weight="bold", color="black")
    box(ax, 4.6, y, "$F'_s, F_{MS}$", _DATA, width=1.9)
    x = 4.6
    for number, parts in enumerate(steps, start=1):
        arrow(ax, (x + 1.0 if number == 1 else x + 0.6, y), (x + 1.7, y))
        for part, lift in zip(parts, _lifts(len(parts)), strict=True):
            box(ax, x + 3.0, y + lift, _WORDS[part], _COLOURS[part], width=2.5, height=0.62)
        x += 5.2
        arrow(ax, (x - 0.9, y), (x - 0.55, y))
        last = number == len(steps)
        box(ax, x, y, "$A_s$" if last else "$F_{SA}$", _DATA, width=1.0)
    if len(steps) == 2 and "semantic" in steps[0]:
        ax.text(9.8, y - 0.95, "latents agree", ha="center", va="center", fontsize=8, color="#A5477F")


def _lifts(count: int) -> list[float]:
    return [0.72 * ((count - 1) / 2 - n) for n in range(count)]
