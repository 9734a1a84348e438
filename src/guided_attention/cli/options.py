"""Options that several commands share: tyro makes them from these classes and their docstrings."""

from __future__ import annotations

from dataclasses import dataclass

from guided_attention.cli.data import Phase, SequenceName, open_data
from guided_attention.data import DataSource
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
    phase : {"in", "out"}
        In-phase or out-of-phase images of T1-DUAL.
    """

    sequence: SequenceName = "T1DUAL"
    phase: Phase = "in"


@dataclass(frozen=True)
class Data:
    """Which data set, and which of its images.

    Parameters
    ----------
    data : str
        A CHAOS tree, a folder of NIfTI files, or the word phantom (made on first use).
    sequence : {"T1DUAL", "T2SPIR"}
        Sequence of a CHAOS tree.
    phase : {"in", "out"}
        In-phase or out-of-phase images of T1-DUAL.
    """

    data: str = "phantom"
    sequence: SequenceName = "T1DUAL"
    phase: Phase = "in"

    def open(self) -> DataSource:
        """Open it."""
        return open_data(self.data, self.sequence, self.phase)


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
