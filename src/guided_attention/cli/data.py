"""The command line's part for data sets: ``guided-attention data check | phantom | fetch | folds``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

if TYPE_CHECKING:
    from guided_attention.data import DataSource

__all__ = ["DATA_COMMANDS", "Phase", "SequenceName", "open_data"]

SequenceName = Literal["T1DUAL", "T2SPIR"]
Phase = Literal["in", "out", "both"]


def open_data(data: str, sequence: SequenceName, phase: Phase, series: str = "") -> DataSource:
    """Open a folder, or the synthetic set (made on first use) for the word phantom."""
    from guided_attention.data import open_source, phantom_folder, write_phantom

    if data != "phantom":
        return open_source(data, sequence, phase, series)
    root = phantom_folder()
    if not root.exists():
        print(f"making the small synthetic data set in {root}", flush=True)
        write_phantom(root, preset="small")
    return open_source(root, sequence, phase)


def data_check(path: Positional[str], sequence: SequenceName = "T1DUAL", phase: Phase = "in", series: str = "") -> None:
    """Read every file of a data set and report everything that is wrong with it, odd, or not read.

    Warnings and ignored files leave the status at 0; errors do not.

    Args:
        path: A CHAOS tree; a folder of NIfTI, NRRD or MetaImage files, or of DICOM folders; or the word phantom.
        sequence: Sequence of a CHAOS tree.
        phase: In-phase or out-of-phase images of T1-DUAL, or both.
        series: Number or description of the series to read where DICOM folders hold several.
    """
    source = open_data(path, sequence, phase, series)
    report = source.check()
    report.raise_if_bad()
    print(report)


def data_phantom(
    out: Path | None = None,
    preset: Literal["full", "small", "tiny"] = "full",
    subjects: int | None = None,
    seed: int = 0,
) -> None:
    """Write the synthetic abdomen in CHAOS's own layout.

    Args:
        out: Where; default data/phantom.
        preset: full (20 subjects), small or tiny.
        subjects: Another number of subjects than the preset's.
        seed: Of the anatomy and the noise.
    """
    from guided_attention.data import phantom_folder, write_phantom

    root = out or phantom_folder()
    print(write_phantom(root, subjects=subjects, seed=seed, preset=preset))


def data_fetch(out: Path | None = None, keep_archive: bool = False) -> None:
    """Download CHAOS's training sets (890 MB, CC BY-NC-SA 4.0), verify and unpack them.

    Args:
        out: Where; default data/chaos.
        keep_archive: Keep the zip file after unpacking.
    """
    from guided_attention.data import fetch_chaos

    print(fetch_chaos(out, keep_archive=keep_archive))


def data_folds(path: Positional[str] = "phantom", sequence: SequenceName = "T1DUAL") -> None:
    """Print who trains, validates and tests in each fold.

    Args:
        path: A CHAOS tree, a folder of NIfTI files, or the word phantom.
        sequence: Sequence of a CHAOS tree.
    """
    from guided_attention.data import folds_for

    for fold in folds_for(open_data(path, sequence, "in").subjects):
        print(f"fold {fold.index} (seed {fold.seed})")
        for part in ("train", "validation", "test"):
            print(f"  {part:<11}{' '.join(getattr(fold, part))}")


DATA_COMMANDS: dict[str, Callable[..., None]] = {
    "check": data_check,
    "phantom": data_phantom,
    "fetch": data_fetch,
    "folds": data_folds,
}
