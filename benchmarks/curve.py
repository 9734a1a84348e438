"""A whole small training: the literal network against the package's, to the same validation curve.

All contenders begin with the same weights and see the same batches of the same synthetic abdomens; after each epoch the
same subjects score. One repetition is all epochs, validation included. The facts of the record are the curve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from benchmarks.case import Case, Job, Work
from benchmarks.literal import Widths
from benchmarks.networks import FAST, LITERAL, NAME, PACKAGE, PRECISIONS, precision, training_of
from guided_attention.data import InputSettings, SliceDataset, Volume, make_phantom
from guided_attention.data.augmentation import Augmentation
from guided_attention.data.phantom import phantom_settings
from guided_attention.training import FitSettings
from guided_attention.training.batches import EpochBatches
from guided_attention.training.validation import validate


@dataclass(frozen=True)
class Size:
    """How large the training is; small enough that a processor trains the literal network in minutes.

    Parameters
    ----------
    widths : Widths
        Of the network.
    pixels, batch, epochs : int
    preset : str
        Of the phantom.
    train, validation : int
        Synthetic subjects.
    """

    widths: Widths = field(default_factory=lambda: Widths(backbone=32, scales=32, semantic=(32, 64, 128)))
    pixels: int = 128
    batch: int = 4
    epochs: int = 5
    preset: str = "small"
    train: int = 6
    validation: int = 2


SIZES = {
    False: Size(),
    True: Size(Widths(backbone=8, scales=16, semantic=(16, 32, 64)), 64, 4, 1, "tiny", 1, 1),
}


def prepare(job: Job, size: int | None) -> Work:
    chosen = SIZES[job.quick]
    volumes = [
        make_phantom(n, phantom_settings(chosen.preset)).in_phase for n in range(chosen.train + chosen.validation)
    ]
    fit = FitSettings(
        epochs=chosen.epochs,
        batch_size=chosen.batch,
        precision=PRECISIONS[job.contender],
        inputs=InputSettings(chosen.pixels, how="resample"),
        augmentation=Augmentation(flips=False),
    )
    data = SliceDataset(volumes[: chosen.train], fit.inputs, fit.augmentation, fit.seed).to(job.device)
    curve: dict[str, float] = {}

    def once() -> None:
        network, step = training_of(job, chosen.widths, lam=0.0)
        curve.update(train(network, step, data, volumes[chosen.train :], fit, job.device))

    def warm() -> None:
        _, step = training_of(job, chosen.widths, lam=0.0)
        step(*next(data.batches([list(range(chosen.batch))], job.device)))

    return Work(once, facts=lambda: curve, warm=warm, precision=precision(job))


def train(
    network: nn.Module,
    step: Callable[[Tensor, Tensor], Any],
    data: SliceDataset,
    validation: list[Volume],
    fit: FitSettings,
    device: str,
) -> dict[str, float]:
    """Train for all epochs; return the validation Dice of each."""
    batches = EpochBatches(len(data), fit.batch_size, fit.seed)
    scores = {}
    for epoch in range(1, fit.epochs + 1):
        network.train()
        data.set_epoch(epoch)
        batches.epoch = epoch
        for image, labels in data.batches(batches, device):
            step(image, labels)
        scores[f"dice_{epoch}"] = validate(network, validation, fit, device)["mean"]
    return scores


def settings(quick: bool, device: str) -> dict[str, str | int | float | bool]:
    size = SIZES[quick]
    options = {key: str(value) for key, value in size.widths.options().items()}
    plain = {name: getattr(size, name) for name in ("pixels", "batch", "epochs", "preset", "train", "validation")}
    return {"network": NAME, **plain, **options, "data": "phantom, synthetic"}


CURVE = Case(
    "curve",
    "A training to the same validation curve",
    prepare,
    lambda device: (LITERAL, PACKAGE, FAST),
    settings,
)
