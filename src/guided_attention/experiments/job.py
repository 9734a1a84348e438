"""One trial of an experiment in a process of its own: ``python -m guided_attention.experiments.job``.

Chapter *Ablation* runs a grid of them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from guided_attention.data import DataSource, open_source
from guided_attention.data.splits import with_splits
from guided_attention.errors import GuidedAttentionError, OutOfTimeError
from guided_attention.experiments.run_record import Record
from guided_attention.experiments.trial import Trial, run_folder
from guided_attention.training.changes import Changes, vary
from guided_attention.training.devices import Where
from guided_attention.training.settings import Preset, get_preset

__all__ = ["AGAIN", "Job", "Outcome", "Stretch", "main", "run_job"]

#: Status of a process that stopped because its time was over: the same command goes on (EX_TEMPFAIL of sysexits.h).
AGAIN = 75


@dataclass(frozen=True)
class Stretch:
    """From ``begin`` to ``until``, in seconds since 1970: every machine of a cluster counts them alike."""

    begin: float
    until: float

    @classmethod
    def of_minutes(cls, minutes: float) -> Stretch:
        """Return the stretch that begins now."""
        now = time.time()
        return cls(now, now + 60 * minutes)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.until - self.begin


@dataclass(frozen=True)
class Job:
    """What a process, here or on another machine, must know to train a trial; plain JSON types but for the trial.

    Parameters
    ----------
    trial : Trial
    data, sequence, phase, series : str
        Arguments of `guided_attention.data.open_source`; the word phantom has become a folder.
    preset : str
    changes : Changes
        What is other than in the preset.
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
    stretch : Stretch or None
        When its time is over.
    splits, groups : str or None
        Files that say who trains and whose scan is which; on a cluster every machine sees them under these names.
    """

    trial: Trial
    data: str
    sequence: str
    phase: str
    preset: str
    changes: Changes
    runs: str
    results: str | None
    weights: str | None = None
    accelerator: str = "auto"
    threads: int = 1
    dataset: str | None = None
    stretch: Stretch | None = None
    splits: str | None = None
    groups: str | None = None
    series: str = ""

    @property
    def settings(self) -> Preset:
        """The preset with its changes; named as ``guided-attention train`` names it."""
        return vary(get_preset(self.preset), self.changes)

    def source(self) -> DataSource:
        """Open the data, under the name that the job gives them."""
        source = open_source(self.data, self.sequence, self.phase, self.series)
        source = with_splits(source, self.splits, self.groups)
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
        stretch = found["stretch"] and Stretch(**found["stretch"])
        nested = {"trial": Trial(**found["trial"]), "changes": Changes(**found["changes"]), "stretch": stretch}
        return cls(**{**found, **nested})


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with its record, with an error, or ``left`` for another stretch of time, and why."""

    job: Job
    record: Record | None = None
    error: str = ""
    left: str = ""


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

    torch.set_num_threads(job.threads)
    source = job.source()
    return run_trial(
        job.trial,
        source,
        job.settings,
        job.folder(source.name),
        results=job.results,
        weights=job.weights,
        where=Where(job.accelerator, until=job.stretch and job.stretch.until),
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
    except OutOfTimeError as error:
        print(f"left: {error}", file=sys.stderr)
        raise SystemExit(AGAIN) from None
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
