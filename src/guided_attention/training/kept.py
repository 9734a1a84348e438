"""What a run keeps of its epochs: checkpoints and a history on disk, or the best weights in memory.

Chapter *Training the network*.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from guided_attention.errors import DamagedError, NotFiniteError, SettingsError
from guided_attention.models.stored.tensors import not_finite, weights_of
from guided_attention.training.checkpoints import (
    latest_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from guided_attention.training.history import FitResult, HistoryLog
from guided_attention.training.resume import advice, changes, mark_diverged, settle_best, unmark_diverged, without
from guided_attention.training.settings import FitSettings

__all__ = ["Kept"]


@dataclass
class Kept:
    """A run's memory.

    Parameters
    ----------
    model : nn.Module
        The network itself, without what Fabric wraps around it.
    settings : FitSettings
    identity : dict of plain JSON types
        What makes the run what it is; a checkpoint of another one is not continued.
    out_dir : Path or None
        Folder of the run; None keeps the best weights in memory.
    writes : bool
        Of the processes that train together only the first writes and warns.
    result : FitResult
        What `fit` returns.
    """

    model: nn.Module
    settings: FitSettings
    identity: dict[str, Any]
    out_dir: Path | None
    writes: bool
    result: FitResult = field(default_factory=FitResult)
    _log: HistoryLog | None = None
    _best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def folder(self) -> Path | None:
        """Of the checkpoints."""
        return self.out_dir and self.out_dir / "checkpoints"

    def resume_or_start(self, optimizer: Optimizer) -> None:
        """Go on from the last checkpoint, or write the first one, of epoch 0; without a folder only look at weights.

        Raises
        ------
        SettingsError
            If a run would start from weights that are not finite.
        CheckpointError
            If the checkpoint is damaged, or belongs to another run.
        """
        found = None if self.folder is None else latest_checkpoint(self.folder)
        bad = not_finite(weights_of(self.model)) if found is None else []
        if bad:
            raise SettingsError(f"model: expected finite weights to start from, found NaN or infinity in {bad[0]}.")
        if self.folder is None:
            return
        if found is not None:
            self._resume(found, optimizer)
        elif self.writes:
            save_checkpoint(self.folder, 0, self.model, optimizer, {**self.identity, "history": []})
        if self.writes:
            self._log = HistoryLog(self.out_dir, self.result.resumed_from)
            self._log.write(self.result.history)  # a run killed right after a checkpoint has not told its last epoch

    def _resume(self, found: Path, optimizer: Optimizer) -> None:
        try:
            state = load_checkpoint(found, self.model, optimizer)
        except DamagedError as error:
            raise without(found, error) from error
        changed = changes(found, state, self.identity)
        self.result.changed = [*state.get("changed", []), *([changed] if changed else [])]
        for entry in state["history"]:
            self.result.add(entry)
        self.result.resumed_from = state["epoch"]
        settle_best(self.folder, self.result, self.model, speak=self.writes)

    def keep(self, entry: dict[str, Any], optimizer: Optimizer) -> None:
        """Take in an epoch that is over: its numbers, and the weights as they are now."""
        better = self.result.add(entry)
        if self.folder is None:
            if better:
                self._best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
            return
        if not self.writes:
            return
        epoch = entry["epoch"]
        state = {**self.identity, "history": self.result.history, "changed": self.result.changed}
        save_checkpoint(self.folder, epoch, self.model, optimizer, state)
        unmark_diverged(self.folder)
        # The epoch before stays too: should a disk spoil the last one, which may be the best, not all is lost.
        prune_checkpoints(self.folder, {epoch - 1, epoch, self.result.best_epoch})
        self._log.write(self.result.history)

    def diverged(self, epoch: int, what: str) -> NotFiniteError:
        """Note that an epoch diverged, and return the error that says what can be done."""
        if self.folder is not None and self.writes:
            mark_diverged(self.folder, epoch, what)
        return NotFiniteError(f"{what} in epoch {epoch}; {advice(self.settings, self.folder)}")

    def load_best(self) -> None:
        """Put the weights of the best epoch into the model."""
        if self.folder is None:
            if self._best:
                self.model.load_state_dict(self._best)
            return
        settle_best(self.folder, self.result, self.model, speak=self.writes)
        load_checkpoint(self.folder / f"epoch-{self.result.best_epoch:04d}", self.model)

    def tidy(self) -> None:
        """End the run on disk: only its last and its best checkpoint stay."""
        if self._log is not None:
            prune_checkpoints(self.folder, {self.settings.epochs, self.result.best_epoch})
            self._log.close()
