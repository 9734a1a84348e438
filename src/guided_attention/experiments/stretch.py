"""A stretch of time and the trials that begin in it: ``guided-attention experiment --minutes`` (chapter *Ablation*).

How long a trial takes is read from the epochs of trials of the same network and preset, in runs and in records. One
that cannot finish any more is left for the next stretch, unless no stretch of this length could finish it: then it
begins, stops with the checkpoint of its last epoch that ends in time, and goes on in the next.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from guided_attention.errors import DataError
from guided_attention.experiments.job import Job, Stretch
from guided_attention.experiments.plan import Planned
from guided_attention.experiments.record import read_record
from guided_attention.experiments.run_record import Record
from guided_attention.training.checkpoints import latest_checkpoint

__all__ = ["Need", "choose", "need", "why_not"]


@dataclass(frozen=True)
class Need:
    """Seconds of one epoch of a trial, and of all that is left of it, its evaluation included."""

    epoch: float
    whole: float


def need(job: Job, folder: Path, records: Path | None = None) -> Need | None:
    """Estimate what a trial still needs; None if nothing like it was ever trained here.

    Medians over the epochs of the runs beside its own, and of records, of the same network and preset. Where nobody
    evaluated yet, an evaluation counts as an epoch.

    Parameters
    ----------
    job : Job
    folder : Path
        Of its run.
    records : Path, optional
        Where the records of this network are.
    """
    preset = job.settings
    like = f"{preset.name}-fold*-seed*"
    kept = [*folder.parent.glob(f"{like}/record.json"), *(records.glob("fold*-seed*.json") if records else ())]
    found = [record for record in _readable(kept) if record.preset == preset.name]
    epochs = [entry["seconds"] for record in found for entry in record.curve if "seconds" in entry]
    for path in folder.parent.glob(f"{like}/history.csv"):
        epochs += [float(row["seconds"]) for row in csv.DictReader(path.read_text().splitlines())]
    if not epochs:
        return None
    epoch = median(epochs)
    evaluation = median([record.cost.evaluation_seconds or epoch for record in found] or [epoch])
    last = latest_checkpoint(folder / "checkpoints")
    left = preset.fit.epochs - (int(last.name.split("-")[1]) if last else 0)
    return Need(epoch, left * epoch + evaluation)


def why_not(needed: Need | None, stretch: Stretch, now: float) -> str:
    """Say why a trial should not begin now; nothing if it should.

    Parameters
    ----------
    needed : Need or None
        What nobody knows begins while there is time: how else would anybody come to know it?
    stretch : Stretch
    now : float
        Seconds since 1970.
    """
    left = max(stretch.until - now, 0)
    if left and (needed is None or needed.whole <= left):
        return ""
    if left and needed.whole > stretch.seconds and (needed.epoch <= left or needed.epoch > stretch.seconds):
        return ""
    wanted = "" if needed is None else f"needs about {needed.whole / 60:.1f} minutes, and "
    return f"{wanted}{left / 60:.1f} minutes were left"


def choose(waiting: Sequence[Planned], stretch: Stretch, now: float) -> Planned | None:
    """Pick what begins now: the first that can finish; if there is none, the first that no such stretch could finish.

    Parameters
    ----------
    waiting : sequence of Planned
        In the order in which they are wanted.
    stretch, now
        As for `why_not`.
    """
    begun_anyway = None
    for planned in waiting:
        needed = need(planned.job, planned.folder, planned.target.parent)
        if why_not(needed, stretch, now):
            continue
        if needed is None or needed.whole <= stretch.until - now:
            return planned
        begun_anyway = begun_anyway or planned
    return begun_anyway


def _readable(paths: Sequence[Path]) -> Iterator[Record]:
    """Records; a damaged one, or an older one's format, only teaches us nothing here."""
    for path in paths:
        try:
            yield read_record(path)
        except DataError:
            continue
