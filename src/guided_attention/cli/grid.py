"""Options of ``guided-attention experiment``: which trials, where their files lie, on what they run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch

from guided_attention.data import DataSource
from guided_attention.errors import SettingsError, require_choice
from guided_attention.experiments.cluster import require_ray
from guided_attention.experiments.trial import Trial, choose_fold
from guided_attention.models import MODELS

__all__ = ["Folders", "Grid", "Machines"]


@dataclass(frozen=True)
class Grid:
    """Which trials.

    Parameters
    ----------
    models : str
        Names with commas between them, or the word all.
    folds : str
        Numbers with commas between them.
    seeds : str
        Numbers with commas between them.
    preset : str
        quick (128 x 128, small networks, minutes on a processor), standard (the same with care for small data,
        half an hour) or paper (the published protocol).
    fresh : bool
        Trials without a record start from nothing: what their run's folder holds is deleted.
    """

    models: str = "all"
    folds: str = "0,1,2"
    seeds: str = "0"
    preset: str = "quick"
    fresh: bool = False

    def trials(self, source: DataSource) -> list[Trial]:
        """Fold by fold, so that networks can be compared early; a fold that does not exist raises."""
        models, folds, seeds = _models(self.models), _numbers("folds", self.folds), _numbers("seeds", self.seeds)
        for fold in folds:
            choose_fold(source, fold)
        return [Trial(model, fold, seed) for seed, fold, model in product(seeds, folds, models)]


@dataclass(frozen=True)
class Folders:
    """What is read and written besides the data.

    Parameters
    ----------
    results : Path
        Folder of the records, RESULTS/DATASET/MODEL/foldK-seedS.json.
    runs : Path
        Folder of checkpoints and weights.
    weights : Path, optional
        File with ImageNet weights, or a folder with one per backbone (resnet101-63fe2227.pth).
    export : Path, optional
        In the end, write the best run of each network in half precision to EXPORT/DATASET/MODEL.safetensors; the best
        in validation, never in test. What half precision costs is measured and stands in the JSON beside it.
    """

    results: Path = Path("results")
    runs: Path = Path("runs")
    weights: Path | None = None
    export: Path | None = None


@dataclass(frozen=True)
class Machines:
    """On what, and for how long.

    Parameters
    ----------
    accelerator : str
        auto, cpu or cuda.
    workers : int
        Trials side by side on this machine, one process each. GPUs are dealt out in turn, so with more workers than
        GPUs several share one. (One training on several devices is train --devices.)
    threads : int, optional
        Threads of the processor, shared by the workers; with --ray, of each trial.
    minutes : float, optional
        Begin nothing that cannot finish in this time, and stop whatever runs with the checkpoint of its last epoch
        that does: the same command goes on there. How long a trial takes is read from epochs of the same network and
        preset. One that no stretch of this length could finish begins when nothing else fits.
    ray : str, optional
        Run on a Ray cluster: auto, or its address HOST:PORT. Data and runs must lie in shared storage.
    retries : int
        How often a trial is run again on the cluster after its process or machine died.
    """

    accelerator: str = "auto"
    workers: int = 1
    threads: int | None = None
    minutes: float | None = None
    ray: str | None = None
    retries: int = 3

    def check(self) -> None:
        """Raise a `SettingsError` or `MissingExtraError` for what cannot work, before anything is read."""
        for name in ("threads", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"{name}={value} must be 1 or more.")
        if self.minutes is not None and not self.minutes > 0:
            raise SettingsError(f"minutes={self.minutes} must be greater than 0.")
        if self.ray is not None:
            require_ray()

    def threads_each(self) -> int:
        """Threads of one trial."""
        if self.ray is not None:
            return self.threads or 1
        return max(1, (self.threads or torch.get_num_threads()) // self.workers)


def _models(text: str) -> list[str]:
    names = list(MODELS) if text == "all" else list(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        require_choice("models", name, (*MODELS, "all"))
    return names


def _numbers(argument: str, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError(f"{argument}={text!r}: expected whole numbers with commas between them, such as 0,1,2.")
    return list(dict.fromkeys(int(part) for part in parts))
