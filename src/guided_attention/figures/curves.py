"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guided_attention.data.volume import ORGANS
from guided_attention.figures.slices import ORGAN_COLOURS

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
    for organ in ORGANS:
        if all(f"dice_{organ}" in entry for entry in history):
            values = [entry[f"dice_{organ}"] for entry in history]
            right.plot(epochs, values, color=ORGAN_COLOURS[organ], lw=1, label=organ.replace("_", " "))
    right.plot(epochs, [entry["dice"] for entry in history], color="#0072B2", lw=2.5, label="mean")
    right.set(xlabel="epoch", ylabel="DSC", ylim=(0, 1), title="validation Dice")
    right.legend(frameon=False, fontsize=8)
    return figure
