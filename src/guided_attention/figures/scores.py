"""Scores of subjects: a box for each organ and a dot for each subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from guided_attention.data.labels import BACKGROUND, LabelSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from guided_attention.evaluation.scores import SubjectScores

__all__ = ["show_scores"]

_NAMES = {"dsc": "DSC", "vs": "volume similarity", "msd_mm": "MSD (mm)", "msd_voxels": "MSD (voxels)"}


def show_scores(scores: Sequence[SubjectScores], metrics: Sequence[str] = ("dsc", "vs", "msd_mm")) -> Figure:
    """Draw metrics of the test subjects, organ by organ.

    Parameters
    ----------
    scores : sequence of SubjectScores
        From `guided_attention.evaluation.volumes.evaluate`.
    metrics : sequence of str
        Names out of `guided_attention.evaluation.scores.METRICS`. An undefined score (NaN) has no dot.
    """
    from matplotlib import pyplot as plt

    organs = tuple(score.organ for score in scores[0].organs)
    colours = LabelSet((BACKGROUND, *organs)).colours[1:]
    figure, axes = plt.subplots(1, len(metrics), figsize=(3.3 * len(metrics), 3.4), layout="constrained", squeeze=False)
    for ax, metric in zip(axes[0], metrics, strict=True):
        for place, (organ, colour) in enumerate(zip(organs, colours, strict=True)):
            values = np.array([getattr(s[organ], metric) for s in scores], float)
            values = values[~np.isnan(values)]
            ax.boxplot(values, positions=[place], widths=0.6, showfliers=False, medianprops={"color": "0.3"})
            shift = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else 0.0
            ax.plot(place + shift, values, "o", color=colour, markeredgecolor="0.2", markersize=6)
        ax.set_xticks(range(len(organs)), [organ.replace("_", "\n") for organ in organs])
        ax.set_title(_NAMES.get(metric, metric), fontsize=10)
    return figure
