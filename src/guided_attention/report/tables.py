"""The tables of a report: the paper's I and II with the published values, and intervals, calibration and provenance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from guided_attention.data.volume import ORGANS
from guided_attention.evaluation.calibration import expected_calibration_error
from guided_attention.report.names import (
    NAMES,
    PAPER_METRICS,
    TABLE_ONE,
    TABLE_TWO,
    Unit,
    organ_name,
    place_name,
    unit_of,
)
from guided_attention.report.published import published, published_label
from guided_attention.report.results import Results
from guided_attention.report.statistics import (
    bootstrap_mean,
    interval_note,
    pooled_reliability,
    subject_values,
    summary_of,
)
from guided_attention.report.table import Table, dashed

__all__ = ["calibration_table", "mean_intervals", "provenance_table", "table_one", "table_two"]


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
        Mean ± standard deviation over the test subjects of all folds. A network without records has a row of dashes
        above its published numbers; where those do not stand, because the organs are others, it has none.
    """
    return _score_table(results, "I", "Table I, ablation", TABLE_ONE, metrics)


def table_two(results: Results, metrics: Sequence[str] = PAPER_METRICS) -> Table:
    """Table II: the network beside those that others proposed (chapter *State of the art*). See `table_one`."""
    return _score_table(results, "II", "Table II, comparison", TABLE_TWO, metrics)


def _score_table(
    results: Results, number: Literal["I", "II"], title: str, models: Sequence[str], metrics: Sequence[str]
) -> Table:
    theirs, comparable = published_label(results), results.dataset.organs == ORGANS
    summaries = {model: summary_of(results, model) for model in models if model in results.records}
    rows = []
    for metric in metrics:
        unit = unit_of(metric)
        for model in models if comparable else summaries:
            ours = summaries.get(model)
            cells = [_cell(ours[o][metric].mean, ours[o][metric].std, unit) if ours else "–" for o in results.columns]
            counts = (str(ours["mean"][metric].count), str(ours["mean"][metric].absent)) if ours else ("0", "–")
            rows.append((unit.name, NAMES[model], "measured", *cells, *counts))
            known = [published(number, model, metric, organ) for organ in results.columns] if comparable else []
            if any(not math.isnan(mean) for mean, _ in known):
                cells = [_cell(mean, std, unit) for mean, std in known]
                rows.append((unit.name, NAMES[model], theirs, *cells, "15", "–"))
    return Table(
        title=f"{title}: {results.label}",
        columns=(
            "metric",
            "network",
            "numbers",
            *(organ_name(organ) for organ in results.columns),
            "subjects",
            "absent",
        ),
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
    if results.dataset.organs != ORGANS:
        notes.append("The paper segments other organs, so its numbers do not stand here.")
    elif theirs != "published":
        notes.append(
            f"The published numbers were measured on CHAOS T1-DUAL in-phase, another data set than "
            f"{results.dataset.name}: they stand here for orientation, not for comparison."
        )
    return tuple(notes)


def _cell(mean: float, std: float, unit: Unit) -> str:
    return "–" if math.isnan(mean) else f"{unit.text(mean)} ± {unit.text(std)}"


def mean_intervals(
    results: Results, metric: str = "dsc", organ: str = "mean", level: float = 0.95, seed: int = 0
) -> Table:
    """Mean of every network with its bootstrap interval, best first.

    Parameters
    ----------
    results : Results
    metric, organ : str
        As for `subject_values`.
    level, seed
        As for `bootstrap_mean`.
    """
    unit = unit_of(metric)
    entries = []
    for model in results.models:
        values = [v for v in subject_values(results, model, metric, organ).values() if not math.isnan(v)]
        mean = float(np.mean(values)) if values else math.nan
        entries.append((NAMES[model], mean, *bootstrap_mean(values, level, seed), len(values)))
    entries.sort(key=lambda e: (math.isnan(e[1]), -e[1] if unit.higher_is_better else e[1]))
    return Table(
        title=f"Mean {unit.name}, {place_name(organ)}, with {level:.0%} intervals: {results.label}",
        columns=("network", "mean", "low", "high", "subjects"),
        rows=tuple((name, *map(unit.text, numbers), str(n)) for name, *numbers, n in entries),
        notes=(interval_note(min(e[-1] for e in entries)), *results.warnings),
    )


def calibration_table(results: Results) -> Table:
    """Lay out mean confidence, accuracy and expected calibration error (ECE) of every network.

    Over the voxels that are organ in prediction or reference, all test subjects pooled.
    """
    rows, unmeasured = [], []
    for model in results.models:
        bins = pooled_reliability(results, model)
        if bins is None:
            unmeasured.append(NAMES[model])
            continue
        total = sum(bins.count)
        sure, right = (
            float(np.nan_to_num(values) @ np.array(bins.count)) / total if total else math.nan
            for values in (bins.confidence, bins.accuracy)
        )
        shares = (sure, right, expected_calibration_error(bins))
        rows.append((NAMES[model], *(dashed(100 * share, ".1f") for share in shares), f"{total:,}"))
    notes = [
        "Over voxels that are organ in reference or prediction. ECE: mean distance between confidence and accuracy "
        "over 15 equal bins of confidence, weighted by voxels. Confidence above accuracy: the network is too sure."
    ]
    if unmeasured:
        notes.append(f"Not measured: {', '.join(unmeasured)}.")
    return Table(
        title=f"Calibration: {results.label}",
        columns=("network", "confidence (%)", "accuracy (%)", "ECE (points)", "voxels"),
        rows=tuple(rows),
        notes=(*notes, *results.warnings),
    )


def provenance_table(results: Results) -> Table:
    """List the records: network, fold, seed, commit (``+`` where files differed from it), versions, device, time."""
    rows = []
    for model, records in results.records.items():
        for record in records:
            p = record.provenance
            commit = "not known" if p.commit is None else p.commit[:12] + ("+" if p.dirty else "")
            versions = f"{p.package}, torch {p.torch}"
            machine = f"{p.device}, {p.threads} threads"
            trial = (NAMES[model], str(record.split.fold), str(record.seed))
            rows.append((*trial, commit, versions, machine, record.created))
    return Table(
        title=f"Records: {results.label}",
        columns=("network", "fold", "seed", "commit", "package", "device", "made"),
        rows=tuple(rows),
        notes=results.warnings,
        words=7,
    )
