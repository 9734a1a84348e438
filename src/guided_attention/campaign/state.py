"""What a campaign is asked for, what is there already, and what it remembers between stretches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from guided_attention.campaign.probing import SideBySide
from guided_attention.campaign.settings import Job, variant
from guided_attention.campaign.timing import Timing
from guided_attention.cells import Cell
from guided_attention.checkpoints import latest_checkpoint
from guided_attention.errors import SettingsError
from guided_attention.files import read_json, write_text
from guided_attention.models import MODELS
from guided_attention.records import record_path

__all__ = ["Campaign", "CellState", "Memory", "cell_states"]


@dataclass(frozen=True)
class Campaign:
    """One stretch of a campaign.

    Parameters
    ----------
    minutes : float
        Time for everything, measuring and export included.
    data, sequence, phase, preset
        As for `Job`.
    models, folds, seeds : tuple
        The grid.
    epochs : int, None or "fit"
        None: the preset's; ``"fit"``: the largest common number with which the whole grid fits into the first stretch,
        kept for the later ones.
    precision : str or None
        None: ``bf16-mixed`` on a GPU, the preset's on a processor.
    runs, results, weights_out : str
        Folders; an empty ``weights_out`` exports nothing.
    side_by_side : int or None
        Trainings at a time; None measures.
    accelerator, threads, tf32, deterministic, dataset
        As for `Job`; ``threads`` are shared by those that run side by side.
    """

    minutes: float
    data: str = "phantom"
    sequence: str = "T1DUAL"
    phase: str = "in"
    preset: str = "paper"
    models: tuple[str, ...] = tuple(MODELS)
    folds: tuple[int, ...] = (0, 1, 2)
    seeds: tuple[int, ...] = (0,)
    epochs: int | Literal["fit"] | None = None
    precision: str | None = None
    runs: str = "runs"
    results: str = "results"
    weights_out: str = ""
    side_by_side: int | None = None
    accelerator: str = "auto"
    threads: int = 1
    tf32: bool = True
    deterministic: bool = False
    dataset: str | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.models if name not in MODELS]
        if unknown or not self.models:
            raise SettingsError(f"models={', '.join(unknown)}: choose some of {', '.join(MODELS)}, or the word all.")
        for name, value in (("minutes", self.minutes), ("threads", self.threads)):
            if not value > 0:
                raise SettingsError(f"{name}={value} must be greater than 0.")
        if self.side_by_side is not None and self.side_by_side < 1:
            raise SettingsError(f"side_by_side={self.side_by_side} must be 1 or more, or auto.")
        if not self.folds or not self.seeds:
            raise SettingsError("folds and seeds: expected at least one of each.")

    def cells(self) -> list[Cell]:
        """Return the grid."""
        return [Cell(model, fold, seed) for seed, fold, model in product(self.seeds, self.folds, self.models)]

    def job(self, cell: Cell, epochs: int, precision: str, side_by_side: int = 1) -> Job:
        """Return what one process is told."""
        return Job(
            cell,
            self.data,
            self.sequence,
            self.phase,
            self.preset,
            epochs,
            precision,
            self.runs,
            self.results,
            self.accelerator,
            max(1, self.threads // side_by_side),
            self.tf32,
            self.deterministic,
            side_by_side,
            self.dataset,
        )


@dataclass(frozen=True)
class CellState:
    """How far a cell is: ``finished`` (its record is there), or the number of epochs in its last checkpoint."""

    job: Job
    folder: Path
    finished: bool
    epochs: int


def cell_states(jobs: Sequence[Job], dataset: str) -> list[CellState]:
    """Look at records and checkpoints.

    Raises
    ------
    SettingsError
        If a record of another preset is where one of these belongs.
    """
    states = []
    for job in jobs:
        cell, folder = job.cell, job.folder(dataset)
        name = variant(job.preset, job.epochs, job.precision).name
        path = record_path(job.results, dataset, cell.model, cell.fold, cell.seed)
        if path.is_file() and (found := read_json(path).get("preset")) != name:
            raise SettingsError(
                f"{path} is a record of preset {found!r}; one of {name!r} must not replace it. Give another results "
                "folder."
            )
        last = latest_checkpoint(folder / "checkpoints")
        states.append(CellState(job, folder, path.is_file(), int(last.name.split("-")[1]) if last else 0))
    return states


class Memory:
    """What one stretch tells the next: seconds and bytes, trainings side by side, the number of epochs.

    Parameters
    ----------
    path : Path
        A JSON file; what another device or number of threads wrote there is forgotten, but for the epochs.
    key : dict of plain JSON types
        Device and threads.
    """

    def __init__(self, path: Path, key: dict[str, object]) -> None:
        found = read_json(path) if path.is_file() else {}
        self.path, self.key = path, key
        self.epochs: int | None = found.get("epochs")
        known = found if found.get("key") == key else {}
        self.timings = {name: Timing(**values) for name, values in known.get("timings", {}).items()}
        rates = known.get("side_by_side")
        self.side_by_side: SideBySide | None = None
        if rates is not None:
            seen = {int(number): rate for number, rate in (rates["rates"] or {}).items()}
            self.side_by_side = SideBySide(rates["number"], rates["slowdown"], seen)
        self.start: float | None = known.get("start")
        self.free: int | None = known.get("free")

    def save(self) -> None:
        """Write everything."""
        content = {
            "key": self.key,
            "epochs": self.epochs,
            "start": self.start,
            "free": self.free,
            "timings": {name: asdict(timing) for name, timing in self.timings.items()},
            "side_by_side": None if self.side_by_side is None else asdict(self.side_by_side),
        }
        write_text(self.path, json.dumps(content, indent=1) + "\n")
