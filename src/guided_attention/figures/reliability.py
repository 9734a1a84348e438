"""Reliability diagrams: is a network as sure as it is right? (Guo et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from guided_attention.evaluation.calibration import Reliability, expected_calibration_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["show_reliability"]


def show_reliability(networks: Mapping[str, Reliability], title: str = "", columns: int = 4) -> Figure:
    """Draw a panel for each network: accuracy against confidence, a dot for each bin that holds voxels.

    The area of a dot is the bin's share of the voxels. On the dashed line a network is as right as it is sure; below
    it, it is too sure.

    Parameters
    ----------
    networks : mapping from name to Reliability
    title : str
        Says whose numbers these are.
    columns : int
        Panels in a row.
    """
    from matplotlib import pyplot as plt

    columns = min(columns, len(networks))
    rows = ceil(len(networks) / columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(2.5 * columns, 0.5 + 2.5 * rows),
        layout="constrained",
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for ax, (name, bins) in zip(axes.flat, networks.items(), strict=False):
        filled = np.array(bins.count) > 0
        sure, right = np.array(bins.confidence)[filled], np.array(bins.accuracy)[filled]
        share = np.array(bins.count)[filled] / max(1, sum(bins.count))
        ax.plot([0, 1], [0, 1], "--", color="0.5", lw=1)
        ax.plot(sure, right, color="#0072B2", lw=1.2)
        ax.scatter(sure, right, s=8 + 250 * share, color="#0072B2", alpha=0.6, edgecolor="0.2", zorder=3)
        ax.set_title(f"{name}\nECE {100 * expected_calibration_error(bins):.1f} points", fontsize=9)
        ax.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    for ax in axes.flat[len(networks) :]:
        ax.set_axis_off()
    figure.supxlabel("confidence", fontsize=9)
    figure.supylabel("accuracy", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure
