"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guided_attention.data.labels import BACKGROUND, LabelSet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["show_curves"]


def show_curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the terms of the objective and the validation Dice against the epoch.

    Parameters
    ----------
    history : sequence of mapping
        One entry for each epoch, as in ``FitResult.history`` and in records.
    """
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    epochs = [entry["epoch"] for entry in history]
    for name, style in (("segmentation", "-"), ("guided", "--"), ("reconstruction", ":")):
        values = [entry[name] for entry in history]
        if any(values):
            left.semilogy(epochs, values, style, label=name, color="0.45" if name != "segmentation" else "#0072B2")
    left.set(xlabel="epoch", ylabel="loss", title="terms of the objective")
    left.legend(frameon=False)
    always = [
        key for first in history[:1] for key in first if key.startswith("dice_") and all(key in e for e in history)
    ]
    organs = tuple(key.removeprefix("dice_") for key in always)
    colours = LabelSet((BACKGROUND, *organs)).colours[1:] if organs else ()
    for key, organ, colour in zip(always, organs, colours, strict=True):
        values = [entry[key] for entry in history]
        right.plot(epochs, values, color=colour, lw=1, label=organ.replace("_", " "))
    right.plot(epochs, [entry["dice"] for entry in history], color="#0072B2", lw=2.5, label="mean")
    right.set(xlabel="epoch", ylabel="DSC", ylim=(0, 1), title="validation Dice")
    right.legend(frameon=False, fontsize=8)
    return figure
