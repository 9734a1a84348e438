"""A record with several sizes as a picture on logarithmic axes."""

from __future__ import annotations

from pathlib import Path

from guided_attention.figures import show_growth
from guided_attention.report.speed import SpeedRecord


def draw(record: SpeedRecord, path: Path) -> Path | None:
    """Write time and memory against size as a PNG; None where there are not two sizes at least."""
    sized = [m for m in record.measurements if m.size is not None]
    if len({m.size for m in sized}) < 2:
        return None
    import matplotlib as mpl

    mpl.use("Agg")
    panels = {"fastest round (ms)": {}, "peak memory (MiB)": {}}
    for name in record.contenders:
        own = [m for m in sized if m.contender == name]
        panels["fastest round (ms)"][name] = ([m.size for m in own], [1000 * m.fastest for m in own])
        counted = [m for m in own if m.memory]
        if counted:
            panels["peak memory (MiB)"][name] = ([m.size for m in counted], [m.memory / 2**20 for m in counted])
    figure = show_growth({title: curves for title, curves in panels.items() if curves})
    figure.suptitle(record.title, fontsize=10)
    figure.savefig(path, dpi=120)
    return path
