"""Fig. 4 and 5 of the paper, and what it lacks: reliability diagrams (chapter *State of the art*)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from guided_attention.errors import DataError
from guided_attention.report.names import NAMES, PAPER_METRICS, organ_name, unit_of
from guided_attention.report.results import Results
from guided_attention.report.statistics import pooled_reliability, subject_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["box_plots", "convergence_curves", "reliability_diagram"]


def box_plots(results: Results, metrics: Sequence[str] = PAPER_METRICS, models: Sequence[str] | None = None) -> Figure:
    """Fig. 4: metrics of every network, organ by organ, a dot for each test subject.

    Parameters
    ----------
    results : Results
    metrics : sequence of str
        One row of panels each.
    models : sequence of str, optional
        Default: all with records.
    """
    from guided_attention.figures import show_boxes

    chosen = results.models if models is None else models
    panels = {}
    for metric in metrics:
        unit = unit_of(metric)
        panels[unit.name] = {
            organ_name(organ): {
                NAMES[m]: [v * unit.factor for v in subject_values(results, m, metric, organ).values()] for m in chosen
            }
            for organ in results.columns
        }
    return show_boxes(panels, results.label)


def convergence_curves(results: Results, models: Sequence[str] | None = None) -> Figure:
    """Fig. 5: validation DSC (mean over organs) against the epoch, the best epoch marked, for every fold and seed."""
    from guided_attention.figures import show_convergence

    curves = {
        NAMES[model]: [[(e["epoch"], e.get("dice", math.nan)) for e in r.curve] for r in results.of(model)]
        for model in (results.models if models is None else models)
    }
    return show_convergence(curves, results.label)


def reliability_diagram(results: Results, models: Sequence[str] | None = None) -> Figure:
    """Confidence against accuracy for every network that has them measured.

    Raises
    ------
    DataError
        If none has.
    """
    from guided_attention.figures import show_reliability

    found = {NAMES[m]: pooled_reliability(results, m) for m in (results.models if models is None else models)}
    known = {name: bins for name, bins in found.items() if bins is not None}
    if not known:
        raise DataError(f"{results.root / results.dataset.name}: no record holds the reliability; make them again.")
    return show_reliability(known, results.label)
