"""One trial of an experiment in a process of its own: ``python -m guided_attention.experiments.job``.

Chapter *Ablation* runs a grid of them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from guided_attention.data import DataSource, open_source
from guided_attention.errors import GuidedAttentionError
from guided_attention.experiments.run_record import Record
from guided_attention.experiments.trial import Trial, run_folder
from guided_attention.training.settings import Preset, get_preset, vary

__all__ = ["Job", "Outcome", "main", "run_job"]

#: What torchrun, Fabric and SLURM call a process that belongs to a group. A trial always trains alone.
_GROUP = ("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
_GROUP_SLURM = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS")


@dataclass(frozen=True)
class Job:
    """What a process, here or on another machine, must know to train a trial; plain JSON types but for the trial.

    Parameters
    ----------
    trial : Trial
    data, sequence, phase : str
        Arguments of `guided_attention.data.open_source`; the word phantom has become a folder.
    preset : str; epochs : int or None
        Preset, and another number of epochs than its own.
    runs : str
        Folder of all runs. On a cluster every machine sees it under this name.
    results : str or None
        Folder of all records; None where somebody else writes them there.
    weights : str or None
        ImageNet weights of this network's backbone.
    accelerator : str; threads : int
        As for `guided_attention.experiments.run.run_trial`; threads of this process.
    dataset : str or None
        Name under which runs of these data are kept, see `guided_attention.experiments.same_data.name_by_data`;
        None: the source's own.
    """

    trial: Trial
    data: str
    sequence: str
    phase: str
    preset: str
    epochs: int | None
    runs: str
    results: str | None
    weights: str | None = None
    accelerator: str = "auto"
    threads: int = 1
    dataset: str | None = None

    @property
    def settings(self) -> Preset:
        """The preset with its number of epochs; named as ``guided-attention train`` names it."""
        return vary(get_preset(self.preset), epochs=self.epochs)

    def source(self) -> DataSource:
        """Open the data, under the name that the job gives them."""
        source = open_source(self.data, self.sequence, self.phase)
        return source if self.dataset is None else replace(source, name=self.dataset)

    def folder(self, dataset: str) -> Path:
        """Return the folder of this trial's run."""
        return run_folder(self.runs, dataset, self.trial, self.settings.name)

    def __str__(self) -> str:
        return f"{self.trial.model} fold {self.trial.fold} seed {self.trial.seed}"

    def to_json(self) -> str:
        """Return one line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what `to_json` wrote."""
        found = json.loads(text)
        return cls(**{**found, "trial": Trial(**found["trial"])})


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its record, or why there is none."""

    job: Job
    record: Record | None = None
    error: str = ""


def run_job(job: Job) -> Record:
    """Train, evaluate and write one trial in this process, alone; goes on from its last checkpoint.

    Parameters
    ----------
    job : Job

    Returns
    -------
    Record

    Raises
    ------
    GuidedAttentionError
        As `guided_attention.experiments.run.run_trial`.
    """
    import torch

    from guided_attention.experiments.run import run_trial

    for name in (*_GROUP, *_GROUP_SLURM):
        os.environ.pop(name, None)
    torch.set_num_threads(job.threads)
    source = job.source()
    return run_trial(
        job.trial,
        source,
        job.settings,
        job.folder(source.name),
        results=job.results,
        weights=job.weights,
        accelerator=job.accelerator,
        progress=False,
    )


def main() -> None:
    """Do the job on the first line of standard input; end at once when the other side closes it.

    The starting process keeps the pipe open as long as it lives: however it dies, none of its trainings is left over.
    """
    line = _read_line()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        run_job(Job.from_json(line))
    except (GuidedAttentionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _read_line() -> str:
    line = b""
    while not line.endswith(b"\n") and (more := os.read(0, 65536)):  # unbuffered: the thread below reads on from here
        line += more
    return line.decode()


def _end_with_parent() -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock Python wants at its own end
        pass
    os._exit(3)  # nothing to tidy up: whatever is on disk is whole


if __name__ == "__main__":
    main()
