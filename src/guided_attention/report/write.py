"""The whole report as files: tables, figures, numbers and where they come from."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from guided_attention.data.source import DataSource
from guided_attention.files import write_bytes, write_text
from guided_attention.report.comparisons import ablation_steps, has_steps, paired_tests
from guided_attention.report.costs import cost_table
from guided_attention.report.disagreement import masks_side_by_side
from guided_attention.report.intervals import mean_intervals
from guided_attention.report.numbers import REFERENCE, digest_of, numbers
from guided_attention.report.origins import provenance_table
from guided_attention.report.pictures import box_plots, convergence_curves, reliability_diagram
from guided_attention.report.results import Results
from guided_attention.report.score_tables import PAPER_METRICS, table_one, table_two
from guided_attention.report.table import Table
from guided_attention.report.trust import calibration_table, pooled_reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_report"]


def write_report(
    results: Results, out: str | Path, source: DataSource | None = None, runs: str | Path | None = None
) -> Path:
    """Write tables, figures and ``numbers.json`` into a folder: all of them, or none.

    The same records give the same bytes (figures: with the same version of matplotlib).

    Parameters
    ----------
    results : Results
        From `load_results`.
    out : path
        The folder. Older files of the same names are replaced.
    source : DataSource, optional
        The data set of the records: with it, the masks are shown side by side (Fig. 6).
    runs : path, optional
        Where the runs lie, if the masks are not beside the records; see `load_masks`.

    Returns
    -------
    Path
        ``OUT/index.md``, which shows everything.

    Raises
    ------
    DataError
        If ``source`` is another data set, or masks are missing.
    """
    out = Path(out)
    content = numbers(results)
    parts = [_head(results, digest_of(content))]
    files: dict[str, bytes] = {}
    for name, table in _tables(results).items():
        files[f"{name}.csv"] = table.to_csv().encode()
        files[f"{name}.tex"] = table.to_latex().encode()
        parts.append(table.to_markdown() + f"\n[CSV]({name}.csv), [LaTeX]({name}.tex)\n")
    for name, (make, alt) in _figures(results, source, runs).items():
        files[name] = _drawn(make, name.rpartition(".")[2])
        parts.append(f"![{alt}]({name})\n\n{alt}\n")
    if source is None:
        parts.append("No masks are shown: they need the data set (`--data`).\n")
    for name, written in files.items():
        write_bytes(out / name, written)
    write_text(out / "numbers.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return write_text(out / "index.md", "\n".join(parts))


def _head(results: Results, digest: str) -> str:
    lines = [
        f"# Report: {results.dataset.name}",
        f"Records: {results.label}. Numbers: `{digest}`.",
        *results.warnings,
    ]
    return "\n\n".join(lines) + "\n"


def _tables(results: Results) -> dict[str, Table]:
    tables = {
        "table1": table_one(results),
        "table2": table_two(results),
        "intervals": mean_intervals(results),
    }
    if has_steps(results):
        tables["steps-dsc"] = ablation_steps(results).table()
    if REFERENCE in results.records and len(results.records) > 1:
        for metric in PAPER_METRICS:
            tables[f"comparisons-{metric}"] = paired_tests(results, REFERENCE, metric).table()
    tables["cost"] = cost_table(results)
    if _calibrated(results):
        tables["calibration"] = calibration_table(results)
    return {**tables, "records": provenance_table(results)}


def _calibrated(results: Results) -> bool:
    return any(pooled_reliability(results, model) is not None for model in results.models)


def _figures(
    results: Results, source: DataSource | None, runs: str | Path | None
) -> dict[str, tuple[Callable[[], Figure], str]]:
    found = {
        "fig4-box-plots.svg": (
            lambda: box_plots(results),
            "Box plots of DSC, VS and MSD of every network, organ by organ; each dot is a test subject.",
        ),
        "fig5-convergence.svg": (
            lambda: convergence_curves(results),
            "Validation DSC against the epoch, a panel for each network: its own curve in blue with the best epoch "
            "marked, the others in grey.",
        ),
    }
    if source is not None:
        found["fig6-masks.png"] = (
            lambda: masks_side_by_side(results, source, runs=runs),
            "Reference and masks of all networks on the slices where they disagree most. Radiological orientation: "
            "the patient's right is on the picture's left.",
        )
    if _calibrated(results):
        found["reliability.svg"] = (
            lambda: reliability_diagram(results),
            "Accuracy against confidence, a panel for each network; below the dashed line a network is too sure.",
        )
    return found


def _drawn(make: Callable[[], Figure], kind: str) -> bytes:
    """Draw a figure without a window, and without the date and the random names that SVG files get otherwise."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "guided-attention"}):
        figure = make()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(content, format=kind, dpi=150, metadata=metadata, facecolor="white")
    plt.close(figure)
    return content.getvalue()
