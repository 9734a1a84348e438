"""Where every number of a report comes from."""

from __future__ import annotations

from guided_attention.report.names import NAMES
from guided_attention.report.results import Results
from guided_attention.report.table import Table

__all__ = ["provenance_table"]


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
