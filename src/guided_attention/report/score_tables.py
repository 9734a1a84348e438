"""Tables I and II of the paper: measured, with the published value under each row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from guided_attention.report.names import COLUMNS, NAMES, TABLE_ONE, TABLE_TWO, Unit, organ_name, unit_of
from guided_attention.report.published import published, published_label
from guided_attention.report.results import Results
from guided_attention.report.subjects import summary_of
from guided_attention.report.table import Table

__all__ = ["PAPER_METRICS", "table_one", "table_two"]

#: The metrics of the paper's tables and of its Fig. 4.
PAPER_METRICS = ("dsc", "vs", "msd_voxels")


def table_one(results: Results, metrics: Sequence[str] = PAPER_METRICS) -> Table:
    """Table I, the ablation: what each kind of attention, the second step and the guidance add (chapter *Ablation*).

    Parameters
    ----------
    results : Results
        From `load_results`.
    metrics : sequence of str
        Out of `guided_attention.evaluation.scores.METRICS`. ``msd_mm`` compares scans of different voxels; the paper
        has voxels.

    Returns
    -------
    Table
        Mean ± standard deviation over the test subjects of all folds; a network without records has a row of dashes.
    """
    return _score_table(results, "I", "Table I, ablation", TABLE_ONE, metrics)


def table_two(results: Results, metrics: Sequence[str] = PAPER_METRICS) -> Table:
    """Table II: the network beside those that others proposed (chapter *State of the art*). See `table_one`."""
    return _score_table(results, "II", "Table II, comparison", TABLE_TWO, metrics)


def _score_table(
    results: Results, number: Literal["I", "II"], title: str, models: Sequence[str], metrics: Sequence[str]
) -> Table:
    theirs = published_label(results)
    summaries = {model: summary_of(results, model) for model in models if model in results.records}
    rows = []
    for metric in metrics:
        unit = unit_of(metric)
        for model in models:
            ours = summaries.get(model)
            cells = [_cell(ours[o][metric].mean, ours[o][metric].std, unit) if ours else "–" for o in COLUMNS]
            counts = (str(ours["mean"][metric].count), str(ours["mean"][metric].absent)) if ours else ("0", "–")
            rows.append((unit.name, NAMES[model], "measured", *cells, *counts))
            if any(not math.isnan(published(number, model, metric, organ)[0]) for organ in COLUMNS):
                cells = [_cell(*published(number, model, metric, organ), unit) for organ in COLUMNS]
                rows.append((unit.name, NAMES[model], theirs, *cells, "15", "–"))
    return Table(
        title=f"{title}: {results.label}",
        columns=("metric", "network", "numbers", *(organ_name(organ) for organ in COLUMNS), "subjects", "absent"),
        rows=tuple(rows),
        notes=(*_notes(results, theirs), *results.warnings),
        words=3,
    )


def _notes(results: Results, theirs: str) -> tuple[str, ...]:
    notes = [
        "Mean ± standard deviation over test subjects; seeds of one subject are averaged first. "
        "absent: organ scores left out because the organ is in neither reference nor prediction.",
        "An organ that was missed or invented has DSC 0, and the diagonal of its volume as MSD.",
    ]
    if results.quick:
        notes.append("A quick run shows that everything works; it says nothing about how good a network can be.")
    if theirs != "published":
        notes.append(
            f"The published numbers were measured on CHAOS T1-DUAL in-phase, another data set than "
            f"{results.dataset.name}: they stand here for orientation, not for comparison."
        )
    return tuple(notes)


def _cell(mean: float, std: float, unit: Unit) -> str:
    if math.isnan(mean):
        return "–"
    spread = "–" if math.isnan(std) else f"{std * unit.factor:.{unit.decimals}f}"
    return f"{mean * unit.factor:.{unit.decimals}f} ± {spread}"
