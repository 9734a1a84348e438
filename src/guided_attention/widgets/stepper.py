"""Refinement stepper: from F_MS over two attention steps to the prediction, with and without guidance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from torch import Tensor, nn

from guided_attention.data import Volume
from guided_attention.errors import SettingsError
from guided_attention.widgets.shared.attention import AttentionExplorer, slice_data
from guided_attention.widgets.shared.first_view import first_view
from guided_attention.widgets.shared.inputs import Slice, as_slice, class_list, drawn_set, grey_values
from guided_attention.widgets.shared.pack import unpack
from guided_attention.widgets.stepper_data import pack_network, values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RefinementStepper"]


class RefinementStepper(AttentionExplorer):
    """Follow one slice through the refinement (Fig. 3): features, attention, reconstruction, prediction.

    Made by `from_model`. Of features, the norm over the channels is shown, or one channel that was asked for.

    Attributes
    ----------
    network, scale, step
        What is looked at closely; see `AttentionExplorer`.
    shown : {"features", "rebuilt", "passed"}
        What the pictures of the steps show: the attention features, what the decoder rebuilt of the step's input,
        or what goes on after guidance.
    channel : int
        -1: the norm over all channels; otherwise one of the ``channels`` of `from_model`.
    position : (row, col)
        Pixel of the image whose position asks in both steps.

    Notes
    -----
    Used in the chapter *What guidance does, step by step*.
    """

    _script = "stepper"

    shown = traitlets.Enum(("features", "rebuilt", "passed"), "features").tag(sync=True)
    channel = traitlets.Int(-1).tag(sync=True)
    position = traitlets.List(traitlets.Int(), minlen=2, maxlen=2).tag(sync=True)

    @classmethod
    def from_model(
        cls,
        model: nn.Module | Mapping[str, nn.Module],
        image: Volume | Slice | np.ndarray | Tensor,
        labels: np.ndarray | Tensor | None = None,
        *,
        at: tuple[int, int] | None = None,
        scales: Sequence[int] | None = None,
        channels: Sequence[int] = (),
        **options: Any,
    ) -> RefinementStepper:
        """Run one network of the family, or several on the same slice.

        Parameters
        ----------
        model : nn.Module, or dict of them
            With two attention steps; with names for several, which stand side by side:
            ``{"unguided": a, "guided": b}``.
        image, labels, **options
            The slice; see `guided_attention.widgets.shared.inputs.as_slice`.
        at : (row, col), optional
            The pixel that asks; default the middle of an organ. Scale, step and organ are those with most to show, in
            the last network; see `guided_attention.widgets.shared.first_view.first_view`. Set the traits for others.
        scales : sequence of int, optional
            Only these (a page with fewer is smaller).
        channels : sequence of int
            Channels to be shown by themselves too; each makes the page larger.

        Raises
        ------
        SettingsError
            If a network is not of the family or has one step, the slice does not fit, or there is no such pixel,
            scale or channel.
        """
        found = as_slice(image, labels, **options)
        models = model if isinstance(model, Mapping) else {"network": model}
        networks = [pack_network(name, one, found.x, scales, channels) for name, one in models.items()]
        finals = [unpack(scale["refined"]) for network in networks for scale in network["scales"]]
        last = networks[-1]
        maps = [{**step, **step["attention"]} for step in last["maps"] if step["attention"]]
        known = unpack(last["scales"][0]["refined"]) if found.labels is None else found.labels
        view = first_view(maps, grey_values(found.x[0, 0]), known, at)
        data = {
            **slice_data(found),
            "classes": class_list(found.labels, *finals, label_set=found.label_set),
            "family": True,
            "networks": networks,
            "channels": [int(channel) for channel in channels],
        }
        shown = "passed" if last["guided"] else "features"
        places = {"network": last["name"], "scale": view.scale, "step": view.step}
        return cls(data=data, position=list(view.position), shown=shown, **places)

    @traitlets.validate("channel")
    def _there(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] not in [-1, *self.data["channels"]]:
            asked = ", ".join(map(str, self.data["channels"])) or "none"
            raise SettingsError(f"channel={proposal['value']}: the widget holds -1 (the norm) and {asked}.")
        return proposal["value"]

    def features(self, network: str, scale: int, step: int, kind: str = "features") -> np.ndarray:
        """Return a picture of a step as the browser has it, float64 (h, w); ``kind`` as in `shown`."""
        maps = next(found["maps"] for found in self.data["networks"] if found["name"] == network)
        found = next(one for one in maps if (one["scale"], one["step"]) == (scale, step))
        return values(found[kind], self._view())

    def _view(self) -> int:
        return 0 if self.channel < 0 else 1 + self.data["channels"].index(self.channel)

    def picture(self) -> Figure:
        """Draw the flow at the chosen scale, one row for each network."""
        from matplotlib import pyplot as plt

        from guided_attention.figures import organ_legend, show_slice

        image, view = unpack(self.data["image"]), self._view()
        label_set = drawn_set(self.data["classes"])
        networks = self.data["networks"]
        figure, axes = plt.subplots(
            len(networks), 5, figsize=(11, 2.7 * len(networks)), layout="constrained", squeeze=False
        )
        for row, network in zip(axes, networks, strict=True):
            scale = next(found for found in network["scales"] if found["scale"] == self.scale)
            steps = [found for found in network["maps"] if found["scale"] == self.scale]
            pictures = [("F_MS", network["fused"])] + [
                (f"step {step['step']}", step[self.shown] or step["features"]) for step in steps
            ]
            for ax, (title, packed) in zip(row, pictures, strict=False):
                ax.imshow(values(packed, view), cmap="viridis")
                ax.set(title=title, xticks=[], yticks=[])
            show_slice(row[3], image, unpack(scale["raw"]), title="raw prediction", label_set=label_set)
            show_slice(row[4], image, unpack(scale["refined"]), title="refined prediction", label_set=label_set)
            row[0].set_ylabel(network["name"])
        organ_legend(figure, label_set=label_set)
        return figure

    @property
    def alt(self) -> str:
        """What `picture` shows."""
        names = " and of ".join(network["name"] for network in self.data["networks"])
        return (
            f"Refinement at scale {self.scale} of {names}, from left to right: the fused features F_MS, both attention "
            "steps, the prediction from the raw features, and the one from the refined features, on an axial slice "
            "(the patient's right is on the picture's left)."
        )
