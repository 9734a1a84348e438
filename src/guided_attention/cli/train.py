"""The command ``guided-attention train``: one network, one fold, one seed (chapter *Training the network*)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from guided_attention.cli.options import Data, use_threads
from guided_attention.evaluation.summary import summary_table
from guided_attention.experiments.run import run_trial
from guided_attention.experiments.same_data import name_by_data
from guided_attention.experiments.trial import Trial, run_folder
from guided_attention.paths import RunFolder
from guided_attention.training.changes import Changes, vary
from guided_attention.training.devices import Where, is_first_process
from guided_attention.training.settings import get_preset

__all__ = ["train"]


@dataclass(frozen=True)
class Files:
    """What is read and written besides the data.

    Parameters
    ----------
    out : Path, optional
        Output folder; default runs/DATASET/MODEL/PRESET-foldK-seedS.
    results : Path, optional
        Also write the record to RESULTS/DATASET/MODEL/foldK-seedS.json.
    weights : Path, optional
        File with torchvision's ImageNet weights for the backbone.
    """

    out: Path | None = None
    results: Path | None = None
    weights: Path | None = None


@dataclass(frozen=True)
class Machine:
    """On what the training runs.

    Parameters
    ----------
    accelerator : str
        auto, cpu or cuda.
    devices : int
        How many of them.
    threads : int, optional
        Threads of the processor to use.
    checkpointing : bool
        Forget features and compute them twice: less memory, for small GPUs, and about a third more time.
    progress : bool
        Show progress bars.
    """

    accelerator: str = "auto"
    devices: int = 1
    threads: int | None = None
    checkpointing: bool = False
    progress: bool = True


def train(
    trial: OmitArgPrefixes[Trial] = Trial("ms-dual-guided"),
    preset: str = "quick",
    changes: OmitArgPrefixes[Changes] = Changes(),
    data: OmitArgPrefixes[Data] = Data(),
    files: OmitArgPrefixes[Files] = Files(),
    machine: OmitArgPrefixes[Machine] = Machine(),
) -> None:
    """Train a network, evaluate it on the fold's test subjects, and write its record.

    A run that was interrupted goes on where it stopped when the same command is given again. A run is known by its
    data, not by the name of their folder: other images or labels get a folder of their own, DATASET-DIGEST.

    Args:
        preset: quick (128 x 128, small network, minutes on a processor), standard (the same with care for small data,
            half an hour) or paper (the published protocol, for a GPU).
    """
    use_threads(machine.threads)
    source = data.open()
    chosen = vary(get_preset(preset), changes.on(machine.accelerator))
    where = Where(machine.accelerator, machine.devices, checkpointing=machine.checkpointing)
    first = is_first_process(where)
    roots = [root for root in (None if files.out else Path("runs"), files.results) if root is not None]
    source, notice = name_by_data(source, *roots)
    out = files.out or run_folder("runs", source.name, trial, chosen.name)
    if first:
        if notice:
            print(notice)
        about = f"{trial.model} on {source.name}, fold {trial.fold}, seed {trial.seed}, preset {chosen.name}"
        print(f"{about} -> {out}", flush=True)
    record = run_trial(
        trial,
        source,
        chosen,
        out,
        results=files.results,
        weights=files.weights,
        where=where,
        progress=machine.progress,
    )
    if first:
        print(summary_table(record.summary))
        print(f"record: {RunFolder(out).record}")
