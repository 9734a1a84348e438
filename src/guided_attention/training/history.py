"""What a training run tells about itself, epoch by epoch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from guided_attention.files import write_text
from guided_attention.paths import RunFolder

__all__ = ["FitResult", "HistoryLog", "as_csv"]


@dataclass
class FitResult:
    """What `fit` returns; the model then holds the weights of the best epoch.

    Parameters
    ----------
    history : list of dict
        One entry for each epoch: loss terms, learning rate, validation Dice (mean and by organ), seconds.
    best_epoch : int
        The epoch (from 1) with the best validation Dice.
    best_dice : float
        Its mean Dice over organs and validation subjects.
    resumed_from : int
        The epoch whose checkpoint the run went on from; 0 for a fresh run.
    changed : list of dict
        Settings that were changed after the run had diverged: ``{"epoch": 7, "learning_rate": [0.001, 0.0001]}`` says
        that epoch 7 and those that follow had the second value. Empty for a run of one piece.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_dice: float = -math.inf
    resumed_from: int = 0
    changed: list[dict[str, Any]] = field(default_factory=list)

    def add(self, entry: dict[str, Any]) -> bool:
        """Append one epoch; True if it is the best so far. An epoch whose weights are ``lost`` cannot be."""
        self.history.append(entry)
        better = entry["dice"] > self.best_dice and not entry.get("lost")
        if better:
            self.best_epoch, self.best_dice = entry["epoch"], entry["dice"]
        return better

    def keep_best_of(self, epochs: Collection[int]) -> None:
        """Choose the best among epochs whose weights are still there; whatever was better is marked ``lost`` (1)."""
        best = max((e for e in self.history if e["epoch"] in epochs), key=lambda entry: entry["dice"])
        for entry in self.history:
            if entry["dice"] > best["dice"] or (entry["dice"] == best["dice"] and entry["epoch"] < best["epoch"]):
                entry["lost"] = 1
        self.best_epoch, self.best_dice = best["epoch"], best["dice"]


class HistoryLog:
    """Tells a run's history to whoever looks: ``history.csv``, and TensorBoard where that is installed.

    Parameters
    ----------
    folder : Path
        Of the run.
    resumed_from : int
        What TensorBoard may know of later epochs is forgotten.
    """

    def __init__(self, folder: Path, resumed_from: int) -> None:
        self.folder, self.writer = folder, None
        if find_spec("tensorboard") is not None:  # a bare GPU machine may lack it; history.csv says the same
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(RunFolder(folder).tensorboard, purge_step=resumed_from)

    def write(self, history: Sequence[dict[str, Any]]) -> None:
        """Write the history, and its last epoch to TensorBoard."""
        if not history:
            return
        write_text(RunFolder(self.folder).history, as_csv(history))
        if self.writer is not None:
            for name, value in history[-1].items():
                if name not in ("epoch", "seconds"):
                    self.writer.add_scalar(name, value, history[-1]["epoch"])
            self.writer.flush()

    def close(self) -> None:
        """Say that nothing follows."""
        if self.writer is not None:
            self.writer.close()


def as_csv(history: Sequence[dict[str, Any]]) -> str:
    """Return the history as CSV text, one row for each epoch."""
    columns = list(dict.fromkeys(name for entry in history for name in entry))
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(history)
    return text.getvalue()
