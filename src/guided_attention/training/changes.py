"""Other settings than a preset's, and a name that says which (chapter *Training the network*)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from guided_attention.data.augmentation import Augmentation
from guided_attention.data.greys import Normalisation
from guided_attention.data.variation import Variation
from guided_attention.errors import SettingsError
from guided_attention.evaluation.precision import Wanted, choose_precision
from guided_attention.training.settings import Preset

__all__ = ["Changes", "vary"]


@dataclass(frozen=True)
class Changes:
    """Other settings than the preset's; whatever is not given stays. The name of the run says each of them.

    Parameters
    ----------
    epochs : int, optional
        Passes over the training slices.
    batch_size : int, optional
        Slices in one step, over all devices together.
    size : int, optional
        Rows and columns of the network's input.
    how : {"crop", "resample"}, optional
        Whether another matrix size is cropped about its centre, or resampled.
    normalisation : {"percentile", "zscore", "minmax", "robust", "halves", "arcsinh", "nonzero", "ct"}, optional
        Of the grey values. Robust or halves, if something may be far brighter than the organs; ct for Hounsfield units.
    learning_rate : float, optional
        Of Adam. A run that diverged goes on with another one, in the same output folder.
    precision : {"auto", "float32", "bf16", "32-true", "bf16-mixed"}, optional
        Single precision, or bfloat16 where that is safe; auto is what this machine multiplies faster, and the run's
        name and record say which that is. (The last two are Lightning's names of the two before.) A run that diverged
        may go on with another one, too.
    weight_decay : float, optional
        Of Adam.
    schedule : {"plateau", "cosine"}, optional
        How the learning rate falls.
    patience : int, optional
        Epochs without a better validation score after which the plateau schedule lowers the learning rate.
    factor : float, optional
        By which it is multiplied then.
    flips : bool
        Mirror slices at random, if the preset does; no-flips only rotates them.
    augmentation : bool
        Augment slices as the preset does; no-augmentation takes them as they are.
    vary : bool
        Rotate, zoom, brighten and shade slices as scans differ, in place of the preset's augmentation.
    dice : float, optional
        Weight of soft Dice beside the cross-entropy.
    average : float, optional
        Decay, at each step, of a moving average of the weights, such as 0.99: what is kept is the average.
    balance : float, optional
        Share of the slices that are drawn by organ, so that organs on few slices are seen as often as others.
    warmup : int, optional
        Epochs in which the learning rate rises.

    Raises
    ------
    SettingsError
        From `vary`, if a value cannot work, or two exclude each other.
    """

    epochs: int | None = None
    batch_size: int | None = None
    size: int | None = None
    how: Literal["crop", "resample"] | None = None
    normalisation: Normalisation | None = None
    learning_rate: float | None = None
    precision: Wanted | None = None
    weight_decay: float | None = None
    schedule: Literal["plateau", "cosine"] | None = None
    patience: int | None = None
    factor: float | None = None
    flips: bool = True
    augmentation: bool = True
    vary: bool = False
    dice: float | None = None
    average: float | None = None
    balance: float | None = None
    warmup: int | None = None

    def on(self, accelerator: str) -> Changes:
        """Return the same with a precision that means the same on every machine, chosen for this one."""
        if self.precision is None:
            return self
        gpu = accelerator != "cpu" and torch.cuda.is_available()
        return replace(self, precision=choose_precision(self.precision, "cuda" if gpu else "cpu"))


#: How the name of a varied preset begins to say what is other, in the order of the name; a word needs no beginning.
_LABELS = {
    "epochs": "epochs",
    "precision": "",
    "learning_rate": "rate",
    "batch_size": "batch",
    "size": "size",
    "how": "",
    "normalisation": "",
    "weight_decay": "decay",
    "schedule": "",
    "patience": "patience",
    "factor": "factor",
    "dice": "dice",
    "average": "average",
    "balance": "balance",
    "warmup": "warmup",
}


def vary(preset: Preset, changes: Changes) -> Preset:
    """Return a preset with other settings where they are given and differ; its name then says so.

    ``quick`` with 3 epochs and a learning rate of 0.0001 is ``quick-epochs3-rate0.0001``: two runs of different
    settings never share a name, so neither a folder.

    Raises
    ------
    SettingsError
        If a value cannot work.
    """
    name, fit, changes = preset.name, preset.fit, changes.on("auto")
    for setting, label in _LABELS.items():
        value = getattr(changes, setting)
        holder = next(part for part in (fit.inputs, fit.loss, fit) if hasattr(part, setting))
        if value in (None, getattr(holder, setting)):
            continue
        name += f"-{label}{value.split('-')[0] if isinstance(value, str) else repr(value)}"
        inner = replace(holder, **{setting: value})
        fit = inner if holder is fit else replace(fit, **{"inputs" if holder is fit.inputs else "loss": inner})
    if changes.vary and not changes.augmentation:
        raise SettingsError("vary and no-augmentation exclude each other: give one of them.")
    if fit.augmentation is not None and not changes.augmentation:
        name, fit = f"{name}-plain", replace(fit, augmentation=None)
    elif changes.vary and not isinstance(fit.augmentation, Variation):
        name, fit = f"{name}-vary", replace(fit, augmentation=Variation())
    elif isinstance(fit.augmentation, Augmentation) and fit.augmentation.flips and not changes.flips:
        name, fit = f"{name}-noflips", replace(fit, augmentation=replace(fit.augmentation, flips=False))
    return replace(preset, name=name, fit=fit)
