"""What a position attends to, over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guided_attention.figures.slices import show_slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

__all__ = ["show_attention"]


def show_attention(
    ax: Axes, image: np.ndarray, weights: np.ndarray, at: tuple[int, int], *, title: str = ""
) -> AxesImage:
    """Draw attention weights over a slice, in units of uniform attention.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    image : ndarray, (H, W)
        Grey values.
    weights : ndarray, (h, w)
        A row of the attention map; it adds up to 1 and is shown block by block, as coarse as it is.
    at : (row, col)
        The asking pixel of the image, marked by a cross.
    title : str
        Above the picture.

    Returns
    -------
    matplotlib AxesImage
        For a colour bar: 1 is what every position would get if all were equal.
    """
    show_slice(ax, image, title=title)
    height, width = image.shape
    drawn = ax.imshow(
        weights * weights.size,
        cmap="inferno",
        alpha=0.6,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest",
        vmin=0,
    )
    ax.plot(at[1], at[0], marker="x", color="#56B4E9", markersize=9, markeredgewidth=2.5)
    return drawn
