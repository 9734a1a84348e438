"""A network's result on one slice, and where one pixel looked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from guided_attention.data import InputSettings, Volume
from guided_attention.errors import SettingsError
from guided_attention.figures.attention import show_attention
from guided_attention.figures.slices import organ_legend, show_errors, show_slice
from guided_attention.models import attention_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

__all__ = ["show_result"]


def show_result(
    model: nn.Module, inputs: InputSettings, volume: Volume, prediction: Volume, index: int, organ: str = "spleen"
) -> Figure:
    """Draw reference, prediction, errors, and the attention of one pixel of an organ, side by side.

    Parameters
    ----------
    model : nn.Module
        A trained network with position attention; the module with the largest lambda is shown.
    inputs : InputSettings
        Those it was trained with.
    volume : Volume
        With reference labels.
    prediction : Volume
        The same with predicted labels.
    index : int
        Number of the slice; it must show the organ.
    organ : str
        Whose pixel asks.

    Raises
    ------
    SettingsError
        If it does not.
    """
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(12, 3.6), layout="constrained")
    image, truth, found = volume.channel()[index], volume.labels[index], prediction.labels[index]
    show_slice(axes[0], image, truth, title="reference", label_set=volume.label_set)
    show_slice(axes[1], image, found, title="prediction", label_set=prediction.label_set)
    show_errors(axes[2], image, found, truth, title="errors")
    prepared = inputs.prepare(volume)
    x = torch.from_numpy(prepared.image.reshape(-1, *prepared.shape)[:, index])  # (C, size, size)
    places = np.argwhere(prepared.labels[index] == volume.label_set.index(organ))
    if not len(places):
        raise SettingsError(
            f"index={index}: slice {index} of subject {volume.subject!r} shows no {organ}; choose another."
        )
    at = tuple(int(v) for v in places[np.abs(places - places.mean(0)).sum(1).argmin()])
    rows = attention_of(model, x[None], at=at)
    strength = {name: abs(model.get_submodule(name).lam.item()) for name in rows}
    strongest = max(strength, key=strength.get)
    drawn = show_attention(axes[3], x[0].numpy(), rows[strongest][0].numpy(), at, title=f"one {organ} pixel attends to")
    figure.colorbar(drawn, ax=axes[3], shrink=0.8, label="times uniform")
    organ_legend(figure, errors=True, label_set=volume.label_set)
    return figure
