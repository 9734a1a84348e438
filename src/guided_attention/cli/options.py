"""Options that several commands share: tyro makes them from these classes and their docstrings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guided_attention.cli.data import Phase, SequenceName, open_data
from guided_attention.data import DataSource
from guided_attention.data.splits import with_splits
from guided_attention.errors import SettingsError
from guided_attention.evaluation.precision import Wanted

__all__ = ["Data", "Inference", "Scan", "use_threads"]


@dataclass(frozen=True)
class Scan:
    """Which images of a subject.

    Parameters
    ----------
    sequence : {"T1DUAL", "T2SPIR"}
        Sequence of a CHAOS tree.
    phase : {"in", "out", "both"}
        In-phase or out-of-phase images of T1-DUAL, or both as two channels.
    series : str
        Number or description of the series to read where DICOM folders hold several.
    """

    sequence: SequenceName = "T1DUAL"
    phase: Phase = "in"
    series: str = ""


@dataclass(frozen=True)
class Data:
    """Which data set, and which of its images.

    Parameters
    ----------
    data : str
        A CHAOS tree; a folder of NIfTI, NRRD or MetaImage files, or of DICOM folders; or the word phantom (made on
        first use).
    sequence : {"T1DUAL", "T2SPIR"}
        Sequence of a CHAOS tree.
    phase : {"in", "out", "both"}
        In-phase or out-of-phase images of T1-DUAL, or both as two channels.
    series : str
        Number or description of the series to read where DICOM folders hold several.
    splits : Path, optional
        JSON file that says who trains, validates and tests: a list of folds, or nnU-Net's splits_final.json.
    groups : Path, optional
        Table (CSV) or JSON that says whose scan each subject is: one patient's scans stay on one side of a split.
    """

    data: str = "phantom"
    sequence: SequenceName = "T1DUAL"
    phase: Phase = "in"
    series: str = ""
    splits: Path | None = None
    groups: Path | None = None

    def open(self) -> DataSource:
        """Open it, split as the files say."""
        return with_splits(open_data(self.data, self.sequence, self.phase, self.series), self.splits, self.groups)


@dataclass(frozen=True)
class Inference:
    """How a trained network computes.

    Parameters
    ----------
    device : str
        cpu or cuda.
    batch_size : int
        Slices at a time.
    precision : {"auto", "float32", "bf16", "32-true", "bf16-mixed"}, optional
        Single precision, or bfloat16 where that is safe; auto is what this machine multiplies faster. Default: what
        the network was trained with, as its record was made.
    """

    device: str = "cpu"
    batch_size: int = 8
    precision: Wanted | None = None


def use_threads(threads: int | None) -> None:
    """Let this process use so many threads of the processor; None leaves it as it is."""
    if threads is not None:
        import torch

        if threads < 1:
            raise SettingsError(f"threads={threads} must be 1 or more.")
        torch.set_num_threads(threads)
