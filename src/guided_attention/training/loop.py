"""The training loop, on Lightning Fabric: one processor, one GPU or several, in single or mixed precision.

Built in the chapter *Training the network*.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from guided_attention.data.digest import digests_of
from guided_attention.data.slices import SliceDataset
from guided_attention.data.volume import Volume
from guided_attention.errors import DamagedError, NotFiniteError, SettingsError
from guided_attention.models.stored.tensors import not_finite, weights_of
from guided_attention.progress import progress_bar
from guided_attention.training.batches import EpochBatches
from guided_attention.training.checkpoints import (
    diverged_names,
    latest_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from guided_attention.training.devices import launch
from guided_attention.training.history import FitResult, HistoryLog
from guided_attention.training.losses import objective
from guided_attention.training.resume import advice, changes, mark_diverged, settle_best, unmark_diverged, without
from guided_attention.training.schedule import learning_rate
from guided_attention.training.settings import FitSettings
from guided_attention.training.validation import validate

__all__ = ["fit"]


def fit(
    model: nn.Module,
    train: Sequence[Volume],
    validation: Sequence[Volume],
    settings: FitSettings,
    out_dir: str | Path | None = None,
    *,
    accelerator: str = "auto",
    devices: int = 1,
    progress: bool = True,
    origin: Mapping[str, Any] | None = None,
    fabric: Any = None,
) -> FitResult:
    """Train a network and leave it with the weights of its best epoch.

    Adam on the objective of eq. 11. With ``out_dir`` every epoch ends in a checkpoint, and a run that finds one goes on
    from there: on one processor the result is the same, bit for bit, as if nobody had interrupted it. A checkpoint
    holds finite numbers only. A run that diverged goes on from its last one with another learning rate or precision,
    and says so in ``changed``; all other settings stay what they were.

    Parameters
    ----------
    model : nn.Module
        Returns a `SegmentationOutput`.
    train, validation : sequence of Volume
        With labels. Training volumes are gone through a few times at the start and not kept: a sequence that reads
        each when it is asked for serves a set larger than memory.
    settings : FitSettings
        The protocol.
    out_dir : path, optional
        Gets ``checkpoints/``, ``history.csv`` and, where TensorBoard is installed, ``tensorboard/``.
    accelerator, devices : str, int
        See `guided_attention.training.devices.launch`. Several devices share every batch; batch norm sees its
        device's part.
    progress : bool
        Show a progress bar.
    origin : mapping of plain JSON types, optional
        What else makes this run what it is, such as its data set and the options of its network: kept in the
        checkpoints, and a run whose checkpoint names another origin is not continued.
    fabric : lightning.fabric.Fabric, optional
        One that is launched already (a strategy of your own); then ``accelerator`` and ``devices`` do not count.

    Returns
    -------
    FitResult

    Raises
    ------
    SettingsError
        If there is nothing to train on or to validate with, the network's weights are not finite to begin with, or
        the devices do not exist.
    CheckpointError
        If ``out_dir`` holds a run with other settings, subjects, images, labels or origin, or of another network, or
        its last checkpoint is damaged. (If the best one is, another takes its place, and a warning says which.)
    NotFiniteError
        If the loss, a weight or a logit stops being a finite number.
    """
    for name, volumes in (("train", train), ("validation", validation)):
        if not volumes or any(v.labels is None for v in volumes):
            raise SettingsError(f"fit: {name} needs one or more volumes, all with labels.")
    fabric = fabric or launch(accelerator, devices, settings.precision)
    run = _Run(model, train, validation, settings, out_dir and Path(out_dir), fabric, progress, origin)
    with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
        run.all_epochs()
    return run.finish()


class _Run:
    """The moving parts of one call of `fit`."""

    def __init__(self, model, train, validation, settings, out_dir, fabric, progress, origin) -> None:
        self.settings, self.fabric, self.out_dir = settings, fabric, out_dir
        self.progress = progress and fabric.is_global_zero
        self.validation, self.bare = validation, model
        optimizer = torch.optim.Adam(
            model.parameters(), settings.learning_rate, settings.betas, weight_decay=settings.weight_decay
        )
        self.data = SliceDataset(train, settings.inputs, settings.augmentation, settings.seed, out_dir)
        self.data.to(fabric.device)
        self.batches = EpochBatches(
            len(self.data), settings.batch_size, settings.seed, fabric.global_rank, fabric.world_size
        )
        identity = {
            "settings": settings.as_dict(),
            "train": sorted(v.subject for v in train),
            "validation": sorted(v.subject for v in validation),
            **({} if origin is None else {"origin": dict(origin)}),
            "data": digests_of(chain(train, validation)),  # last: another origin says in words why it differs
        }
        self.identity = json.loads(json.dumps(identity))  # as a checkpoint gives it back: tuples are lists
        self.result = FitResult()
        self.folder = out_dir and out_dir / "checkpoints"
        self.log = None
        self._resume_or_start(optimizer)
        self.model, self.optimizer = fabric.setup(model, optimizer)
        self.best = None

    def _resume_or_start(self, optimizer: torch.optim.Optimizer) -> None:
        found = None if self.folder is None else latest_checkpoint(self.folder)
        bad = not_finite(weights_of(self.bare)) if found is None else []
        if bad:
            raise SettingsError(f"model: expected finite weights to start from, found NaN or infinity in {bad[0]}.")
        if self.folder is None:
            return
        if found is not None:
            try:
                state = load_checkpoint(found, self.bare, optimizer)
            except DamagedError as error:
                raise without(found, error) from error
            changed = changes(found, state, self.identity)
            self.result.changed = [*state.get("changed", []), *([changed] if changed else [])]
            for entry in state["history"]:
                self.result.add(entry)
            self.result.resumed_from = state["epoch"]
            settle_best(self.folder, self.result, self.bare, speak=self.fabric.is_global_zero)
        elif self.fabric.is_global_zero:
            save_checkpoint(self.folder, 0, self.bare, optimizer, {**self.identity, "history": []})
        if self.fabric.is_global_zero:
            self.log = HistoryLog(self.out_dir, self.result.resumed_from)
            self.log.write(self.result.history)  # a run killed right after a checkpoint has not told its last epoch

    def all_epochs(self) -> None:
        """Everything that is left to do, with one bar, which so knows how long it takes."""
        done, steps = self.result.resumed_from, len(self.batches)
        whole = {"total": self.settings.epochs * steps, "initial": done * steps, "unit": "step"}
        with progress_bar(show=self.progress, **whole) as self.bar:
            for epoch in range(done + 1, self.settings.epochs + 1):
                self.bar.set_description(f"epoch {epoch}/{self.settings.epochs}")
                self.epoch(epoch)
                self.bar.set_postfix(dice=f"{self.result.history[-1]['dice']:.3f}")

    def epoch(self, epoch: int) -> None:
        """One pass over the slices, one validation, one checkpoint."""
        start = time.perf_counter()
        # Seeding each epoch by itself makes a resumed run draw the numbers of an uninterrupted one.
        torch.manual_seed(self.settings.seed * 100_003 + epoch)
        self.data.set_epoch(epoch)
        self.batches.epoch = epoch
        rate = learning_rate(self.settings, [past["dice"] for past in self.result.history])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        entry = {"epoch": epoch, "learning_rate": rate, **self._train(epoch)}
        self._demand_finite(epoch)
        scores = self._validate(epoch)
        entry["dice"] = scores.pop("mean")
        entry |= {f"dice_{organ}": score for organ, score in scores.items()}
        entry["seconds"] = round(time.perf_counter() - start, 3)
        better = self.result.add(entry)
        if self.fabric.is_global_zero:
            self._write(epoch)
        if self.folder is None and better:
            self.best = {name: value.detach().clone() for name, value in self.bare.state_dict().items()}

    def _train(self, epoch: int) -> dict[str, float]:
        self.model.train()
        sums: dict[str, torch.Tensor] = {}
        for image, labels in self.data.batches(self.batches, self.fabric.device):
            loss = objective(self.model(image), labels, self.settings.loss)
            self.optimizer.zero_grad(set_to_none=True)
            self.fabric.backward(loss.total)
            self.optimizer.step()
            for name in ("total", "segmentation", "guided", "reconstruction"):
                sums[name] = sums.get(name, 0.0) + getattr(loss, name).detach()
            self.bar.update()
        steps = len(self.batches)
        means = {name: (self.fabric.all_reduce(value, reduce_op="mean") / steps).item() for name, value in sums.items()}
        if not math.isfinite(means["total"]):
            raise self._diverged(epoch, f"the loss became {means['total']}")
        return {"loss" if name == "total" else name: value for name, value in means.items()}

    def _demand_finite(self, epoch: int) -> None:
        """The mean loss of an epoch says nothing about its last step."""
        bad = diverged_names(self.bare, self.optimizer)
        count = self.fabric.all_reduce(torch.tensor(float(len(bad)), device=self.fabric.device), reduce_op="sum")
        if count > 0:
            raise self._diverged(epoch, f"{bad[0] if bad else 'a weight on another device'} became NaN or infinite")

    def _validate(self, epoch: int) -> dict[str, float]:
        # Batch norm's statistics, and so the scores, differ between devices; what follows from them must not.
        found: dict[str, float] | str = ""
        if self.fabric.is_global_zero:
            try:
                found = validate(self.bare, self.validation, self.settings, self.fabric.device)
            except NotFiniteError as error:
                found = f"validation failed ({error})"
        found = self.fabric.broadcast(found)
        if isinstance(found, str):
            raise self._diverged(epoch, found)
        return found

    def _diverged(self, epoch: int, what: str) -> NotFiniteError:
        if self.folder is not None and self.fabric.is_global_zero:
            mark_diverged(self.folder, epoch, what)
        return NotFiniteError(f"{what} in epoch {epoch}; {advice(self.settings, self.folder)}")

    def _write(self, epoch: int) -> None:
        if self.folder is None:
            return
        state = {**self.identity, "history": self.result.history, "changed": self.result.changed}
        save_checkpoint(self.folder, epoch, self.bare, self.optimizer, state)
        unmark_diverged(self.folder)
        # The epoch before stays too: should a disk spoil the last one, which may be the best, not all is lost.
        prune_checkpoints(self.folder, {epoch - 1, epoch, self.result.best_epoch})
        self.log.write(self.result.history)

    def finish(self) -> FitResult:
        """Put the weights of the best epoch into the model."""
        self.fabric.barrier()
        if self.folder is not None:
            settle_best(self.folder, self.result, self.bare, speak=self.fabric.is_global_zero)
            load_checkpoint(self.folder / f"epoch-{self.result.best_epoch:04d}", self.bare)
            self.fabric.barrier()  # nobody reads what is deleted now
            if self.fabric.is_global_zero:
                prune_checkpoints(self.folder, {self.settings.epochs, self.result.best_epoch})
        elif self.best is not None:
            self.bare.load_state_dict(self.best)
        if self.log is not None:
            self.log.close()
        return self.result
