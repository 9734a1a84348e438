"""Records of speed as a table, and how time and memory grow with the size of the problem."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from guided_attention.errors import DataError
from guided_attention.report.speed import SpeedRecord, waiting
from guided_attention.report.table import Table, dashed

__all__ = ["growth", "speed_table"]


def growth(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Fit ``value = a * size ** exponent`` by least squares of the logarithms, and return the exponent.

    Raises
    ------
    DataError
        If there are fewer than two different sizes, or anything is not positive.
    """
    x, y = np.asarray(sizes, float), np.asarray(values, float)
    if len(np.unique(x)) < 2 or x.shape != y.shape or not ((x > 0).all() and (y > 0).all()):
        raise DataError(f"growth: expected positive values of two sizes at least, found {list(x)} and {list(y)}.")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def speed_table(record: SpeedRecord) -> Table:
    """Lay out a record: a row for each measurement, and below the table where and under which load it was measured."""
    rows = []
    for m in record.measurements:
        middle, low, high = record.speedup(m.contender, m.size)
        rows.append(
            (
                m.contender + ("" if m.size is None else f", N = {m.size}"),
                _seconds(m.median),
                _seconds(m.fastest),
                f"{m.spread:.2f}",
                f"{middle:.2f} [{low:.2f}, {high:.2f}]",
                dashed(math.nan if m.memory is None else m.memory / 2**20, ".1f"),
                dashed(100 * record.share_of_products(m.contender, m.size), ".0f"),
                dashed(100 * record.share_of_copying(m.contender, m.size), ".0f"),
            )
        )
    head = ("median", "fastest", "slowest : fastest", "times as fast", "peak MiB", "% of products", "% of copying")
    quick = "quick, only to see that it works: " if record.quick else ""
    return Table(f"{quick}{record.title}", ("contender", *head), tuple(rows), _notes(record))


def _notes(record: SpeedRecord) -> tuple[str, ...]:
    here, rounds = record.provenance, len(record.measurements[0].seconds)
    settings = ", ".join(f"{name} {value}" for name, value in record.settings.items())
    notes = [f"{rounds} rounds in turns; {settings}."] if settings else [f"{rounds} rounds in turns."]
    for name in record.contenders:
        sized = [m for m in record.measurements if m.contender == name and m.size is not None]
        if len(sized) > 1:
            time = growth([m.size for m in sized], [m.fastest for m in sized])
            known = [m for m in sized if m.memory]
            memory = growth([m.size for m in known], [m.memory for m in known]) if len(known) > 1 else math.nan
            notes.append(f"{name}: time grows as N^{time:.2f}, memory as N^{dashed(memory, '.2f')}.")
    for m in record.measurements:
        if m.facts:
            place = m.contender + ("" if m.size is None else f", N = {m.size}")
            notes.append(f"{place}: " + ", ".join(f"{name} {value:.6g}" for name, value in m.facts.items()) + ".")
    if record.case == "data":
        shares = [f"{waiting(record, name):.1%} beside a {name}" for name in record.contenders[:-1]]
        notes.append(f"Waiting for the next batch: {', '.join(shares)}.")
    notes += [f"Without {name}: {how}." for name, how in record.missing.items()]
    if record.peaks:
        p = record.peaks
        reached = f"{p.float32 / 1e9:.0f} GFLOP/s in float32, {p.bfloat16 / 1e9:.0f} in bfloat16"
        notes.append(f"This machine multiplied {reached}, and copied {p.copy / 1e9:.1f} GB/s (read and written).")
    load = "; ".join(
        f"load {when} {'unknown' if value is None else ' '.join(f'{v:.1f}' for v in value)}"
        for when, value in (("before", record.load_before), ("after", record.load_after))
    )
    commit = f"commit {here.commit[:10]}{' with changes' if here.dirty else ''}" if here.commit else "no commit"
    notes.append(
        f"{here.device}, {record.cores} cores, {here.threads} threads, {here.platform}, Python {here.python}, PyTorch "
        f"{here.torch}; {commit}; {record.date}; {load}."
    )
    return tuple(notes)


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.3g} ms"
