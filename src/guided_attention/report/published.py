"""The paper's own numbers: Tables I and II, every cell (Sinha and Dolz 2021), from ``published_results.csv``."""

from __future__ import annotations

import csv
import math
from functools import cache
from importlib import resources
from typing import Literal

from guided_attention.report.names import NAMES
from guided_attention.report.results import Results

__all__ = ["published", "published_label"]

#: The metrics of the paper: our name, its name in the file, and what to divide by for our unit.
_COLUMNS = {"dsc": ("DSC_percent", 100.0), "vs": ("VS_percent", 100.0), "msd_voxels": ("MSD_voxel", 1.0)}


@cache
def _cells() -> dict[tuple[str, str, str, str], tuple[float, float]]:
    file = resources.files("guided_attention.report").joinpath("published_results.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        return {
            (row["table"], row["metric"], row["method"], row["organ"]): (float(row["mean"]), float(row["std"]))
            for row in csv.DictReader(lines)
        }


def published(table: Literal["I", "II"], model: str, metric: str, organ: str) -> tuple[float, float]:
    """Return mean and standard deviation as the paper's Table I or II prints them, in the metric's own unit.

    Parameters
    ----------
    table : {"I", "II"}
    model : str
        One of `guided_attention.models.MODELS`.
    metric : str
        ``dsc`` and ``vs`` (0 to 1), ``msd_voxels``.
    organ : str
        One of CHAOS's, or ``mean``.

    Returns
    -------
    (float, float)
        NaN where the paper has no such number.
    """
    name, divisor = _COLUMNS.get(metric, ("", 1.0))
    mean, std = _cells().get((table, name, NAMES[model], organ), (math.nan, math.nan))
    return mean / divisor, std / divisor


def published_label(results: Results) -> str:
    """Return how published numbers are labelled beside these results: with their data set if it is another one."""
    return "published" if results.dataset.name == "chaos-t1dual-in" else "published, T1-DUAL"
