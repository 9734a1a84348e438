"""Networks in one drawing style: down is coarser, right is later, colour and words say whom a part can hear."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

from guided_attention.errors import require_choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import nn

__all__ = ["DRAWN", "show_design"]

#: What a part does about what is far away: nothing; it weighs what is there already; it brings news from everywhere.
_KINDS = {
    "near": ("#E8F1F8", "hears what its convolutions reach"),
    "weigh": ("#F0E442", "× weighs what is there"),
    "far": ("#F5B041", "∗ hears the whole slice"),
}
_PIXELS = 64  # sides of the image that is sent through; the fractions of its size are the same for any
_WIDTH, _HEIGHT = 0.86, 0.62


@dataclass(frozen=True)
class _Part:
    """One box: the module whose output it stands for, its words and column, and the modules that feed it."""

    path: str
    words: str
    column: float
    sources: tuple[str, ...] = ()
    kind: str = "near"
    lift: float = 0.0


def _unet(gated: tuple[int, ...] = ()) -> list[_Part]:
    encoder = [f"encoder.levels.{s}" for s in range(5)]
    below = {3: encoder[4], **{s: f"decoder.{s + 1}" for s in range(3)}}
    skip = {s: f"gates.{s - 1}" if s in gated else encoder[s] for s in range(4)}
    down = [_Part(encoder[s], "", s, tuple(encoder[s - 1 : s])) for s in range(5)]
    up = [_Part(f"decoder.{s}", "", 8.8 - s, (skip[s], below[s])) for s in range(4)]
    gates = [_Part(skip[s], "× gate", 7.6 - s, (encoder[s], below[s]), "weigh") for s in gated]
    return [*down, *up, *gates]


def _resnet() -> list[_Part]:
    paths = ["backbone.conv1", *(f"backbone.layer{s}" for s in range(1, 5))]
    words = ["conv", *(f"Res-{s}" for s in range(2, 6))]
    return [_Part(path, words[n], n, tuple(paths[max(n - 1, 0) : n])) for n, path in enumerate(paths)]


def _danet() -> list[_Part]:
    branches = [
        _Part(path, f"∗ {path}", 5.4, ("backbone.layer4",), "far", lift)
        for path, lift in (("position", 0.5), ("channel", -0.5))
    ]
    return [*_resnet(), *branches, _Part("heads.sum", "sum", 6.8, ("position", "channel"))]


def _pan() -> list[_Part]:
    before = {3: "pyramid", 2: "decoder.2", 1: "decoder.1"}
    gau = [
        _Part(f"decoder.{s - 1}", "∗ GAU", 8.6 - 1.1 * s + 0.9, (f"backbone.layer{s}", before[s]), "far")
        for s in (3, 2, 1)
    ]
    return [*_resnet(), _Part("pyramid", "∗ FPA", 5.1, ("backbone.layer4",), "far"), *gau]


def _daf() -> list[_Part]:
    stages = [f"backbone.layer{s}" for s in range(1, 5)]
    attention = [
        _Part(f"scales.{s}", f"× $A_{s}$", 6.4 + 1.1 * s, ("fusion.fuse", stages[s]), "weigh") for s in range(4)
    ]
    return [*_resnet(), _Part("fusion.fuse", "$F_{MS}$", 5.2, tuple(stages)), *attention]


_DESIGNS = {
    "unet": _unet,
    "attention-unet": lambda: _unet(gated=(1, 2, 3)),
    "danet": _danet,
    "pan-resnet101": _pan,
    "daf": _daf,
}
#: The networks that `show_design` draws, by their names in `guided_attention.models`.
DRAWN = tuple(_DESIGNS)


def show_design(name: str, model: nn.Module | None = None) -> Figure:
    """Draw a network; rows and channels of all boxes are measured on the network itself.

    Parameters
    ----------
    name : str
        One of `DRAWN`: which boxes there are, and what feeds them.
    model : nn.Module, optional
        The network; default ``build_model(name)``. It is run once, in evaluation mode, and left so.

    Returns
    -------
    Figure
        Solid arrows: the next step. Dashed arrows: a skip over other parts.

    Raises
    ------
    SettingsError
        If nobody has said how to draw ``name``.

    Notes
    -----
    Used in the chapter *The baseline and the family*.
    """
    from matplotlib import pyplot as plt

    from guided_attention.models import build_model

    require_choice("design", name, DRAWN)
    shapes = _shapes(build_model(name) if model is None else model)
    parts = {part.path: part for part in _DESIGNS[name]()}
    places = {path: (p.column, p.lift - log2(_PIXELS / shapes[path][1])) for path, p in parts.items()}
    rows = sorted({round(-(y - parts[path].lift)) for path, (_, y) in places.items()})
    last = max(x for x, _ in places.values())
    figure, ax = plt.subplots(figsize=(0.68 * (last + 2.2), 0.5 + 0.66 * (rows[-1] - rows[0] + 1.5)))
    figure.set_layout_engine("constrained")
    floor = min(y for _, y in places.values()) - 1.0
    ax.set(xlim=(-1.7, last + 0.6), ylim=(floor, -rows[0] + 0.9))
    ax.set_axis_off()
    for path, part in parts.items():
        for source in part.sources:
            _connect(ax, places[source], places[path], others=list(places.values()))
        _draw(ax, part, places[path], channels=shapes[path][0])
    for row in rows:
        ax.text(-1.6, -row, f"1/{2**row}" if row else "1/1", va="center", fontsize=9, color="0.25")
    ax.text(-1.6, -rows[0] + 0.6, "of the image's width", va="center", fontsize=8, color="0.25")
    _legend(ax, {part.kind for part in parts.values()}, floor)
    return figure


def _shapes(model: nn.Module) -> dict[str, tuple[int, int]]:
    """(channels, width) of what every module of the network puts out."""
    import torch

    found: dict[str, tuple[int, int]] = {}

    def keep(path: str, output: object) -> None:
        output = getattr(output, "attention", output[0] if isinstance(output, tuple) else output)
        if isinstance(output, torch.Tensor) and output.ndim == 4:
            found[path] = (output.shape[1], output.shape[3])

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, path=path: keep(path, output))
        for path, module in model.named_modules()
    ]
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, _PIXELS, _PIXELS))
    for hook in hooks:
        hook.remove()
    return found


def _draw(ax: Axes, part: _Part, place: tuple[float, float], channels: int) -> None:
    from matplotlib.patches import FancyBboxPatch

    (x, y), colour = place, _KINDS[part.kind][0]
    width = max(_WIDTH, 0.13 * len(part.words))
    style = "round,pad=0,rounding_size=0.1"
    corner = (x - width / 2, y - _HEIGHT / 2)
    ax.add_patch(FancyBboxPatch(corner, width, _HEIGHT, boxstyle=style, fc=colour, ec="0.35", zorder=3))
    text = f"{part.words}\n{channels}" if part.words else str(channels)
    ax.text(x, y, text, ha="center", va="center", fontsize=8, color="black", zorder=4)


def _connect(ax: Axes, start: tuple[float, float], end: tuple[float, float], others: list[tuple[float, float]]) -> None:
    """Go right, then up or down into the box; along the row above where boxes stand in between."""
    (x0, y0), (x1, y1) = start, end
    half = _HEIGHT / 2
    between = [x for x, y in others if abs(y - y0) < half and x0 < x < x1]
    if abs(y1 - y0) < half and between:
        points, dashed = [(x0, y0 + half), (x0, y0 + 0.52), (x1, y0 + 0.52), (x1, y1 + half)], True
    elif abs(y1 - y0) < half:
        points, dashed = [(x0 + _WIDTH / 2, y0), (x1 - _WIDTH / 2, y1)], x1 - x0 > 1.6
    else:
        into = y1 - half if y1 > y0 else y1 + half
        points, dashed = [(x0, y0), (x1, y0), (x1, into)], x1 - x0 > 1.6
    xs, ys = zip(*points[:-1], strict=True)
    style = "--" if dashed else "-"
    ax.plot(xs, ys, style, color="0.35", lw=1, zorder=1)
    arrow = {"arrowstyle": "->", "color": "0.35", "lw": 1, "shrinkA": 0, "shrinkB": 0, "ls": style}
    ax.annotate("", points[-1], points[-2], arrowprops=arrow, zorder=2)


def _legend(ax: Axes, kinds: set[str], y: float) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(fc=colour, ec="0.35", label=words) for kind, (colour, words) in _KINDS.items() if kind in kinds]
    place = {"loc": "lower left", "bbox_to_anchor": (-1.7, y), "bbox_transform": ax.transData}
    ax.legend(handles=handles, ncols=len(handles), fontsize=8, frameon=False, **place)
