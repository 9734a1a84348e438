"""What a campaign is asked to do, and the job that one of its processes gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from guided_attention.campaign.packed import is_packed, open_packed
from guided_attention.cells import Cell, run_folder
from guided_attention.data import DataSource
from guided_attention.presets import Preset, get_preset, vary

__all__ = ["Job", "open_campaign_data", "set_numbers", "variant"]


@dataclass(frozen=True)
class Job:
    """One cell for one process, as plain JSON types.

    Parameters
    ----------
    cell : Cell
    data, sequence, phase : str
        As for `open_campaign_data`.
    preset : str; epochs : int; precision : str
        As for `variant`.
    runs, results : str
        Folders; the run's own is `folder`.
    accelerator : str
        As for `guided_attention.training.fit`.
    threads : int
        Threads of this process.
    tf32, deterministic : bool
        As for `set_numbers`.
    side_by_side : int
        Trainings at a time; for the record only.
    dataset : str or None
        Name under which runs of these data are kept, from `guided_attention.same_data.name_by_data`; None: the
        source's own.
    """

    cell: Cell
    data: str
    sequence: str
    phase: str
    preset: str
    epochs: int
    precision: str
    runs: str
    results: str
    accelerator: str = "auto"
    threads: int = 1
    tf32: bool = True
    deterministic: bool = False
    side_by_side: int = 1
    dataset: str | None = None

    def source(self) -> DataSource:
        """Open the data, under the name that the job gives them."""
        source = open_campaign_data(self.data, self.sequence, self.phase)
        return source if self.dataset is None else replace(source, name=self.dataset)

    def folder(self, dataset: str) -> Path:
        """Return the folder of the run."""
        return run_folder(self.runs, dataset, self.cell, variant(self.preset, self.epochs, self.precision).name)

    def to_json(self) -> str:
        """Return the job as text for the command line of its process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what `to_json` wrote."""
        found = json.loads(text)
        return cls(**{**found, "cell": Cell(**found["cell"])})


def variant(name: str, epochs: int | None = None, precision: str | None = None) -> Preset:
    """Return a preset with another number of epochs or precision; its name then says so.

    Raises
    ------
    SettingsError
        If the preset is unknown or a value cannot work.
    """
    return vary(get_preset(name), epochs=epochs, precision=precision)


def open_campaign_data(data: str, sequence: str = "T1DUAL", phase: str = "in") -> DataSource:
    """Open a folder made by `pack`, or anything else that the command line takes (the word phantom too)."""
    if is_packed(data):
        return open_packed(data)
    if data == "phantom":
        from guided_attention.data import phantom_folder, write_phantom

        root = phantom_folder()
        if not root.exists():
            write_phantom(root, preset="small")
        data = str(root)
    from guided_attention.data import open_source

    return open_source(data, sequence, phase)


def set_numbers(tf32: bool, deterministic: bool) -> Mapping[str, Any]:
    """Say how a GPU may compute, and return what was said, for the records.

    Parameters
    ----------
    tf32 : bool
        Whether products of float32 may round their factors to TF32 (10 bits of mantissa). Products under autocast
        are bfloat16 anyway.
    deterministic : bool
        Whether an operation that adds in whatever order gives way to a slower one where there is one. Without it a
        training draws the same numbers from its seed, but its last digits may differ from run to run on a GPU.
    """
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = False  # it would choose by time, and so by what else runs
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    return {
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }
