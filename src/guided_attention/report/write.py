"""The whole report: its numbers in one plain structure, and tables, figures and numbers as files."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guided_attention.data.source import DataSource
from guided_attention.evaluation.calibration import expected_calibration_error
from guided_attention.files import write_bytes, write_text
from guided_attention.report.comparisons import Comparisons, ablation_steps, paired_tests, steps_of
from guided_attention.report.costs import best_epoch, cost_table, network_cost
from guided_attention.report.disagreement import masks_side_by_side
from guided_attention.report.names import PAPER_METRICS
from guided_attention.report.pictures import box_plots, convergence_curves, reliability_diagram
from guided_attention.report.results import Results
from guided_attention.report.statistics import bootstrap_mean, pooled_reliability, subject_values, summary_of
from guided_attention.report.table import Table
from guided_attention.report.tables import calibration_table, mean_intervals, provenance_table, table_one, table_two

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["numbers", "report_digest", "write_report"]

#: The network that the others are compared with: the paper's own.
_REFERENCE = "ms-dual-guided"


def numbers(results: Results) -> dict[str, Any]:
    """Return everything that the tables say, as JSON types: ``report/numbers.json`` holds this.

    Returns
    -------
    dict
        ``dataset``, ``preset``, ``subjects``, ``missing``, ``gaps``; ``networks``: for each its records, summary,
        bootstrap intervals of the mean, cost, calibration; ``comparisons`` with the paper's network, and ``steps`` of
        the ablation. NaN is None; numbers are rounded to nine digits, so that two machines with the same versions of
        NumPy and SciPy agree.
    """
    return _numbers(results, _tests(results))


def _numbers(results: Results, tests: dict[str, Comparisons]) -> dict[str, Any]:
    networks = {}
    for model, records in results.records.items():
        bins = pooled_reliability(results, model)
        size = records[0].settings["inputs"]["size"]
        networks[model] = {
            "records": [
                {
                    "fold": r.split.fold,
                    "seed": r.seed,
                    "commit": r.provenance.commit,
                    "dirty": r.provenance.dirty,
                    "device": r.provenance.device,
                    "created": r.created,
                    "cost": r.cost,
                    "epochs": len(r.curve),
                    "best_epoch": best_epoch(r),
                }
                for r in records
            ],
            "summary": summary_of(results, model),
            "intervals": {m: bootstrap_mean(subject_values(results, model, m).values()) for m in PAPER_METRICS},
            "cost": network_cost(model, records[0].model.options, size, 1 + len(results.dataset.organs)),
            "calibration": None if bins is None else {"bins": bins, "error": expected_calibration_error(bins)},
        }
    return _plain(
        {
            # without classes, which go without saying: the numbers of CHAOS's five keep their digest
            "dataset": {k: v for k, v in asdict(results.dataset).items() if k != "classes" or v is not None},
            "preset": results.preset,
            "quick": results.quick,
            "subjects": results.subjects,
            "missing": results.missing,
            "gaps": results.gaps,
            "networks": networks,
            "comparisons": {m: tests[f"comparisons-{m}"].rows for m in PAPER_METRICS if f"comparisons-{m}" in tests},
            "steps": tests["steps-dsc"].rows if "steps-dsc" in tests else [],
        }
    )


def report_digest(results: Results) -> str:
    """Return twelve letters that stand for all `numbers` of a report.

    A rendered chapter prints them, and so does ``report/index.md``: where they agree, both have one source.
    """
    return _digest(numbers(results))


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _tests(results: Results) -> dict[str, Comparisons]:
    """Return the tests of a report by the name of their table: those of which both networks have records."""
    found = {"steps-dsc": ablation_steps(results)} if steps_of(results) else {}
    if _REFERENCE in results.records and len(results.records) > 1:
        found |= {f"comparisons-{metric}": paired_tests(results, _REFERENCE, metric) for metric in PAPER_METRICS}
    return found


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return value


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
    tests = _tests(results)
    content = _numbers(results, tests)
    about = f"Records: {results.label}. Numbers: `{_digest(content)}`."
    parts = ["\n\n".join([f"# Report: {results.dataset.name}", about, *results.warnings]) + "\n"]
    files: dict[str, bytes] = {}
    for name, table in _tables(results, tests).items():
        files[f"{name}.csv"] = table.to_csv().encode()
        files[f"{name}.tex"] = table.to_latex().encode()
        parts.append(table.to_markdown() + f"\n[CSV]({name}.csv), [LaTeX]({name}.tex)\n")
    for name, figure, alt in _figures(results, source, runs):
        files[name] = _drawn(figure, name.rpartition(".")[2])
        parts.append(f"![{alt}]({name})\n\n{alt}\n")
    if source is None:
        parts.append("No masks are shown: they need the data set (`--data`).\n")
    for name, written in files.items():
        write_bytes(out / name, written)
    write_text(out / "numbers.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return write_text(out / "index.md", "\n".join(parts))


def _tables(results: Results, tests: dict[str, Comparisons]) -> dict[str, Table]:
    of_the_paper = {"table1": table_one(results), "table2": table_two(results)}
    return {
        **{name: table for name, table in of_the_paper.items() if table.rows},
        "intervals": mean_intervals(results),
        **{name: comparisons.table() for name, comparisons in tests.items()},
        "cost": cost_table(results),
        **({"calibration": calibration_table(results)} if _calibrated(results) else {}),
        "records": provenance_table(results),
    }


def _calibrated(results: Results) -> bool:
    return any(pooled_reliability(results, model) is not None for model in results.models)


def _figures(results: Results, source: DataSource | None, runs: str | Path | None) -> Iterator[tuple[str, Figure, str]]:
    yield (
        "fig4-box-plots.svg",
        box_plots(results),
        "Box plots of DSC, VS and MSD of every network, organ by organ; each dot is a test subject.",
    )
    yield (
        "fig5-convergence.svg",
        convergence_curves(results),
        "Validation DSC against the epoch, a panel for each network: its own curve in blue with the best epoch marked, "
        "the others in grey.",
    )
    if source is not None:
        yield (
            "fig6-masks.png",
            masks_side_by_side(results, source, runs=runs),
            "Reference and masks of all networks on the slices where they disagree most. Radiological orientation: "
            "the patient's right is on the picture's left.",
        )
    if _calibrated(results):
        yield (
            "reliability.svg",
            reliability_diagram(results),
            "Accuracy against confidence, a panel for each network; below the dashed line a network is too sure.",
        )


def _drawn(figure: Figure, kind: str) -> bytes:
    """Return a figure as a file, without the date and the random names that SVG files get otherwise, and close it."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "guided-attention"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(content, format=kind, dpi=150, metadata=metadata, facecolor="white")
    plt.close(figure)
    return content.getvalue()
