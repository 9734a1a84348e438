"""The training loop, on Lightning Fabric: one processor, one GPU or several, in single or mixed precision.

Built in the chapter *Training the network*.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from guided_attention.data.digest import digests_of
from guided_attention.data.slices import SliceDataset
from guided_attention.data.volume import Volume
from guided_attention.errors import NotFiniteError, OutOfTimeError, SettingsError
from guided_attention.models.recompute import recomputing
from guided_attention.progress import progress_bar
from guided_attention.training.average import WeightAverage
from guided_attention.training.batches import EpochBatches
from guided_attention.training.checkpoints import diverged_names
from guided_attention.training.devices import HERE, Where, prepare
from guided_attention.training.history import FitResult
from guided_attention.training.kept import Kept
from guided_attention.training.losses import objective
from guided_attention.training.schedule import learning_rate
from guided_attention.training.settings import FitSettings
from guided_attention.training.trainable import require_trainable
from guided_attention.training.validation import validate

__all__ = ["fit", "seed_epoch"]


def fit(
    model: nn.Module,
    train: Sequence[Volume],
    validation: Sequence[Volume],
    settings: FitSettings,
    out_dir: str | Path | None = None,
    *,
    where: Where = HERE,
    origin: Mapping[str, Any] | None = None,
    progress: bool = True,
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
    where : Where
        On which devices, and until when.
    origin : mapping of plain JSON types, optional
        What else makes this run what it is, such as its data set and the options of its network: kept in the
        checkpoints, and a run whose checkpoint names another origin is not continued.
    progress : bool
        Show a progress bar.

    Returns
    -------
    FitResult

    Raises
    ------
    DataError
        If volumes have other channels than the network takes.
    SettingsError
        If there is nothing to train on or to validate with, volumes label different organs or more than the
        network tells apart, its weights are not finite to begin with, or the devices do not exist.
    CheckpointError
        If ``out_dir`` holds a run with other settings, subjects, images, labels or origin, or of another network, or
        its last checkpoint is damaged. (If the best one is, another takes its place, and a warning says which.)
    NotFiniteError
        If the loss, a weight or a logit stops being a finite number.
    OutOfTimeError
        If the time of ``where`` is over before the last epoch: the run goes on in another call.
    """
    require_trainable(model, train, validation)
    if where.until is not None and out_dir is None:
        raise SettingsError("fit: until needs out_dir: without checkpoints nothing would be left to go on from.")
    fabric = prepare(where, settings.precision)
    fabric.launch()
    kept = Kept(
        model,
        settings,
        _identity(train, validation, settings, origin),
        out_dir and Path(out_dir),
        fabric.is_global_zero,
    )
    optimizer = torch.optim.Adam(
        model.parameters(), settings.learning_rate, settings.betas, weight_decay=settings.weight_decay, fused=True
    )
    data = SliceDataset(train, settings.inputs, settings.augmentation, settings.seed, out_dir and Path(out_dir))
    data.to(fabric.device)
    model.to(memory_format=torch.channels_last)  # how convolutions like their numbers laid out
    shown = data.shown() if settings.balance else ()
    parts = (settings.seed, fabric.global_rank, fabric.world_size, settings.balance, shown)
    batches = EpochBatches(len(data), settings.batch_size, *parts)
    kept.resume_or_start(optimizer)
    run = _Run(fabric, where, kept, data, batches, validation, *fabric.setup(model, optimizer))
    cuda = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), recomputing(model, where.checkpointing):
        run.all_epochs(progress and fabric.is_global_zero)
    fabric.barrier()
    kept.load_best()
    fabric.barrier()  # nobody reads what is deleted now
    kept.tidy()
    return kept.result


def _identity(
    train: Sequence[Volume], validation: Sequence[Volume], settings: FitSettings, origin: Mapping[str, Any] | None
) -> dict[str, Any]:
    identity = {
        "settings": settings.as_dict(),
        "train": sorted(v.subject for v in train),
        "validation": sorted(v.subject for v in validation),
        **({} if origin is None else {"origin": dict(origin)}),
        "data": digests_of(chain(train, validation)),  # last: another origin says in words why it differs
    }
    return json.loads(json.dumps(identity))  # as a checkpoint gives it back: tuples are lists


def seed_epoch(seed: int, epoch: int, rank: int = 0) -> None:
    """Seed what an epoch draws from PyTorch, which is dropout: anew for each epoch, and on each process by itself.

    By epoch, so that a resumed run draws the numbers of an uninterrupted one; by process, because parts of one batch
    that lose the same channels would be less random than a batch on one device. Order and augmentation of the slices
    are drawn elsewhere, and are the same on all of them.
    """
    # a processor's generator looks at the lower 32 bits alone, so the parts must differ there
    torch.manual_seed(seed * 100_003 + epoch + rank * 100_000_007)


@dataclass
class _Run:
    """The moving parts of one call of `fit`; model and optimiser as Fabric has set them up."""

    fabric: Any
    where: Where
    kept: Kept
    data: SliceDataset
    batches: EpochBatches
    validation: Sequence[Volume]
    model: nn.Module
    optimizer: torch.optim.Optimizer

    def __post_init__(self) -> None:
        self.settings = self.kept.settings
        self.average = WeightAverage(self.settings.average, self.optimizer)

    def all_epochs(self, progress: bool) -> None:
        """Everything that is left to do, with one bar, which so knows how long it takes."""
        done, steps, last = self.kept.result.resumed_from, len(self.batches), self.settings.epochs
        whole = {"total": last * steps, "initial": done * steps, "unit": "step"}
        with progress_bar(show=progress, **whole) as self.bar:
            for epoch in range(done + 1, last + 1):
                if epoch > done + 1 and self._out_of_time():
                    raise OutOfTimeError(
                        f"stopped after epoch {epoch - 1} of {last}; the same command goes on from there"
                    )
                self.bar.set_description(f"epoch {epoch}/{last}")
                self.epoch(epoch)
                self.bar.set_postfix(dice=f"{self.kept.result.history[-1]['dice']:.3f}")

    def _out_of_time(self) -> bool:
        """Whether an epoch as long as the last would end too late; the first process's clock counts for all."""
        if self.where.until is None:
            return False
        return self.fabric.broadcast(time.time() + self.kept.result.history[-1]["seconds"] > self.where.until)

    def epoch(self, epoch: int) -> None:
        """One pass over the slices, one validation, one checkpoint."""
        start = time.perf_counter()
        seed_epoch(self.settings.seed, epoch, self.fabric.global_rank)
        self.data.set_epoch(epoch)
        self.batches.epoch = epoch
        rate = learning_rate(self.settings, [past["dice"] for past in self.kept.result.history])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.average.exchange()
        entry = {"epoch": epoch, "learning_rate": rate, **self._train(epoch)}
        self.average.exchange()
        self._demand_finite(epoch)
        scores = self._validate(epoch)
        entry["dice"] = scores.pop("mean")
        entry |= {f"dice_{organ}": score for organ, score in scores.items()}
        entry["seconds"] = round(time.perf_counter() - start, 3)
        self.kept.keep(entry, self.optimizer)

    def _train(self, epoch: int) -> dict[str, float]:
        self.model.train()
        sums: dict[str, torch.Tensor] = {}
        for image, labels in self.data.batches(self.batches, self.fabric.device):
            self.optimizer.zero_grad(set_to_none=True)  # before the step needs most memory, which is after forward
            loss = objective(self.model(image), labels, self.settings.loss)
            self.fabric.backward(loss.total)
            self.optimizer.step()
            self.average.update()
            for name in ("total", "segmentation", "guided", "reconstruction"):
                sums[name] = sums.get(name, 0.0) + getattr(loss, name).detach()
            self.bar.update()
        steps = len(self.batches)
        means = {name: (self.fabric.all_reduce(value, reduce_op="mean") / steps).item() for name, value in sums.items()}
        if not math.isfinite(means["total"]):
            raise self.kept.diverged(epoch, f"the loss became {means['total']}")
        return {"loss" if name == "total" else name: value for name, value in means.items()}

    def _demand_finite(self, epoch: int) -> None:
        """The mean loss of an epoch says nothing about its last step."""
        bad = diverged_names(self.kept.model, self.optimizer)
        count = self.fabric.all_reduce(torch.tensor(float(len(bad)), device=self.fabric.device), reduce_op="sum")
        if count > 0:
            raise self.kept.diverged(epoch, f"{bad[0] if bad else 'a weight on another device'} became NaN or infinite")

    def _validate(self, epoch: int) -> dict[str, float]:
        # Batch norm's statistics, and so the scores, differ between devices; what follows from them must not.
        found: dict[str, float] | str = ""
        if self.fabric.is_global_zero:
            try:
                found = validate(self.kept.model, self.validation, self.settings, self.fabric.device)
            except NotFiniteError as error:
                found = f"validation failed ({error})"
        found = self.fabric.broadcast(found)
        if isinstance(found, str):
            raise self.kept.diverged(epoch, found)
        return found
