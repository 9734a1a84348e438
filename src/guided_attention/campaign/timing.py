"""How long a cell takes, from the seconds of its steps: arithmetic only."""

from __future__ import annotations

from dataclasses import dataclass

from guided_attention.batches import EpochBatches
from guided_attention.data import DataSource, Fold

__all__ = ["Load", "Timing", "cell_seconds", "epoch_seconds", "load_of"]

#: Bytes of a checkpoint for each parameter: its value and Adam's two moments in float32.
_CHECKPOINT = 12
#: Bytes per second at which checkpoints reach the disk; a careful guess, until an epoch was seen.
_DISK = 5e8
#: Seconds to prepare and score one subject in validation, and to score one test subject (surfaces, 3-D).
_VALIDATED, _SCORED = 0.15, 2.0


@dataclass(frozen=True)
class Timing:
    """What one network costs on this machine.

    Parameters
    ----------
    step : float
        Seconds of one training step.
    slice : float
        Seconds to predict one slice.
    memory : int
        Bytes that its training needs, of the GPU or, without one, of the machine.
    parameters : int
        Number of weights.
    epoch : float or None
        Seconds of a whole epoch as seen in a finished run of this network; counts instead of the estimate.
    """

    step: float
    slice: float
    memory: int
    parameters: int
    epoch: float | None = None


@dataclass(frozen=True)
class Load:
    """What one fold asks for: steps of an epoch; subjects and slices to validate with and to test."""

    steps: int
    validation: tuple[int, int]
    test: tuple[int, int]


def load_of(source: DataSource, fold: Fold, batch_size: int, slices: dict[str, int] | None = None) -> Load:
    """Count the steps, subjects and slices of a fold; ``slices`` (subject -> number) saves reading them again."""
    count = slices or {subject: source.read(subject).shape[0] for subject in source.subjects}
    total = sum(count[subject] for subject in fold.train)
    parts = [(len(part), sum(count[subject] for subject in part)) for part in (fold.validation, fold.test)]
    return Load(len(EpochBatches(total, batch_size, 0)), *parts)


def epoch_seconds(timing: Timing, load: Load) -> float:
    """Seconds of one epoch: its steps, its validation and its checkpoint; as seen, where one was seen."""
    if timing.epoch is not None:
        return timing.epoch
    subjects, slices = load.validation
    checkpoint = _CHECKPOINT * timing.parameters / _DISK
    return load.steps * timing.step + slices * timing.slice + subjects * _VALIDATED + checkpoint


def cell_seconds(timing: Timing, load: Load, epochs: int, start: float, slowdown: float = 1.0) -> float:
    """Seconds of a cell from now.

    Parameters
    ----------
    timing, load
        Of its network and fold.
    epochs : int
        That are still to do.
    start : float
        Seconds until a new process trains.
    slowdown : float
        How much longer steps take beside other trainings; an epoch that was seen has it in it.
    """
    subjects, slices = load.test
    epoch = epoch_seconds(timing, load) * (slowdown if timing.epoch is None else 1.0)
    return start + epochs * epoch + slowdown * slices * timing.slice + subjects * _SCORED
