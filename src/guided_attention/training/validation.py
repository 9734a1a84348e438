"""The score that decides about the best epoch and the learning rate (chapter *Training the network*)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from guided_attention.data.volume import Volume
from guided_attention.errors import SettingsError
from guided_attention.evaluation.overlap import dice
from guided_attention.evaluation.predict import predict_volume
from guided_attention.training.settings import FitSettings

__all__ = ["validate"]


def validate(
    model: nn.Module, volumes: Sequence[Volume], settings: FitSettings, device: str | torch.device = "cpu"
) -> dict[str, float]:
    """Dice of every organ on whole volumes, averaged over the subjects that have it; ``"mean"`` over the organs.

    The released code pools the pixels of all slices instead; the mean over subjects is what the tables report.

    Parameters
    ----------
    model : nn.Module
        Takes (B, C, size, size), returns a `SegmentationOutput`.
    volumes : sequence of Volume
        With labels of one set, which is the model's.
    settings : FitSettings
        Input size, batch size and precision apply.
    device : str or torch.device
        Where the model is.

    Returns
    -------
    dict str -> float
        ``"mean"`` and the organs. One that neither a reference nor a prediction shows is left out.

    Raises
    ------
    SettingsError
        If that is so for all of them.
    """
    scores: dict[str, list[float]] = {organ: [] for volume in volumes[:1] for organ in volume.label_set.organs}
    for volume in volumes:
        found = predict_volume(
            model,
            volume,
            settings.inputs,
            batch_size=settings.batch_size,
            device=device,
            precision=settings.precision,
        )
        for value, organ in enumerate(scores, start=1):
            score = dice(found.labels == value, volume.labels == value)
            if not math.isnan(score):
                scores[organ].append(score)
    means = {organ: float(np.mean(values)) for organ, values in scores.items() if values}
    if not means:
        raise SettingsError("the validation volumes show none of the organs, nor does the network: nothing to score.")
    return {"mean": float(np.mean(list(means.values()))), **means}
