"""The command line's part for results: ``guided-attention report``."""

from __future__ import annotations

from pathlib import Path

from guided_attention.cli_data import Phase, SequenceName, open_data

__all__ = ["report"]


def report(
    dataset: str,
    results: Path = Path("results"),
    out: Path = Path("report"),
    preset: str | None = None,
    folds: tuple[int, ...] = (),
    seeds: tuple[int, ...] = (),
    data: str | None = None,
    runs: Path | None = None,
    sequence: SequenceName = "T1DUAL",
    phase: Phase = "in",
) -> None:
    """Make tables and figures of the records of one data set: Tables I and II, Fig. 4 to 6, tests, costs, calibration.

    Args:
        dataset: Name of the data set, a folder of RESULTS.
        results: Folder of the records.
        out: Folder for the report; its index.md shows everything.
        preset: Only records of this preset.
        folds: Only these folds.
        seeds: Only these seeds.
        data: The data set itself, to show masks side by side: a CHAOS tree, a folder of NIfTI files, or the word
            phantom.
        runs: Folder of the runs, if the masks are not beside the records.
        sequence: Sequence of a CHAOS tree.
        phase: In-phase or out-of-phase images of T1-DUAL.
    """
    import matplotlib as mpl

    from guided_attention.report import load_results, write_report

    mpl.use("Agg")
    found = load_results(results, dataset, preset, folds or None, seeds or None)
    print(found.label)
    for warning in found.warnings:
        print(warning)
    source = None if data is None else open_data(data, sequence, phase)
    print(f"report: {write_report(found, out, source, runs)}")
