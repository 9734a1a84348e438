"""All numbers of a report in one plain structure, so that two reports can be compared."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, is_dataclass
from typing import Any

from guided_attention.evaluation.calibration import expected_calibration_error
from guided_attention.report.comparisons import ablation_steps, has_steps, paired_tests
from guided_attention.report.costs import best_epoch, network_cost
from guided_attention.report.intervals import bootstrap_mean
from guided_attention.report.results import Results
from guided_attention.report.score_tables import PAPER_METRICS
from guided_attention.report.subjects import subject_values, summary_of
from guided_attention.report.trust import pooled_reliability

__all__ = ["REFERENCE", "digest_of", "numbers", "report_digest"]

#: The network that the others are compared with: the paper's own.
REFERENCE = "ms-dual-guided"


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
            "cost": network_cost(model, records[0].model.options, size),
            "calibration": None if bins is None else {"bins": bins, "error": expected_calibration_error(bins)},
        }
    return _plain(
        {
            "dataset": results.dataset,
            "preset": results.preset,
            "quick": results.quick,
            "subjects": results.subjects,
            "missing": results.missing,
            "gaps": results.gaps,
            "networks": networks,
            "comparisons": {m: paired_tests(results, REFERENCE, m).rows for m in PAPER_METRICS}
            if REFERENCE in results.records and len(results.records) > 1
            else {},
            "steps": ablation_steps(results).rows if has_steps(results) else [],
        }
    )


def report_digest(results: Results) -> str:
    """Return twelve letters that stand for all `numbers` of a report.

    A rendered chapter prints them, and so does ``report/index.md``: where they agree, both have one source.
    """
    return digest_of(numbers(results))


def digest_of(content: Any) -> str:
    """Return twelve letters that stand for plain JSON content, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


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
