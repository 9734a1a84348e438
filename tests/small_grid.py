"""A data set so small that a trial of the grid takes a second or two, and jobs for it."""

from __future__ import annotations

from pathlib import Path

from data_factory import Scan, write_scan
from guided_attention.experiments.job import Job
from guided_attention.experiments.trial import Trial
from guided_attention.training.changes import Changes


def write_tiny_set(root: Path, subjects: int = 4) -> Path:
    """Noise on 12 x 10 pixels in CHAOS's layout, declared synthetic."""
    for subject in range(1, subjects + 1):
        write_scan(root / "Train_Sets" / "MR" / str(subject), Scan(seed=subject), sequences=("T1DUAL",))
    (root / "phantom.json").write_text("{}")
    return root


def tiny_job(data: Path, home: Path, model: str = "pam", fold: int = 0, seed: int = 0, epochs: int | None = 1) -> Job:
    """Job on one thread of the processor, with ``home/runs`` and ``home/results``."""
    runs, results = str(home / "runs"), str(home / "results")
    trial = Trial(model, fold, seed)
    return Job(
        trial, str(data), "T1DUAL", "in", "quick", Changes(epochs=epochs), runs, results, accelerator="cpu", threads=1
    )
