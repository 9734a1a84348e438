"""The command line's part for results: ``guided-attention report``."""

from __future__ import annotations

from pathlib import Path

from guided_attention.cli.data import Phase, SequenceName, open_data
from guided_attention.errors import DataError

__all__ = ["report"]


def report(
    dataset: str | None = None,
    results: Path = Path("results"),
    out: Path = Path("report"),
    preset: str | None = None,
    folds: tuple[int, ...] = (),
    seeds: tuple[int, ...] = (),
    data: str | None = None,
    runs: Path = Path("runs"),
    sequence: SequenceName = "T1DUAL",
    phase: Phase = "in",
) -> None:
    """Make tables and figures of records, a report for each data set: the paper's, and tests, costs, calibration.

    Args:
        dataset: Name of the data set, a folder of RESULTS; default all of them, each in a folder of its own.
        results: Folder of the records.
        out: Folder for the report; its index.md shows everything.
        preset: Only records of this preset.
        folds: Only these folds.
        seeds: Only these seeds.
        data: The data set itself, to show its masks side by side: a CHAOS tree, a folder of NIfTI files, or the word
            phantom.
        runs: Folder of the runs, as `experiment` and `train` were given it: there lie the masks of patients.
        sequence: Sequence of a CHAOS tree.
        phase: In-phase or out-of-phase images of T1-DUAL.
    """
    import matplotlib as mpl

    from guided_attention.experiments.same_data import dataset_difference
    from guided_attention.report import load_results, write_report

    mpl.use("Agg")
    source = None if data is None else open_data(data, sequence, phase).verified()
    kept = {path.parent.parent.name for path in results.glob("*/*/fold*-seed*.json")}
    names = [dataset] if dataset is not None else sorted(kept)
    if not names:
        raise DataError(
            f"{results}: expected records DATASET/MODEL/foldK-seedS.json, found no folder of a data set. `experiment` "
            f"writes them there, and so does `train` with --results {results}: after a training that is finished, too, "
            "if the same command is given again with it."
        )
    for name in names:
        found = load_results(results, name, preset, folds or None, seeds or None)
        print(found.label)
        for warning in found.warnings:
            print(warning)
        # One data set was named: it must be the source's. Of all of them, only one can be.
        shown = source if dataset or source is None or not dataset_difference(found.dataset, source) else None
        print(f"report: {write_report(found, out if dataset is not None else out / name, shown, runs)}", flush=True)
