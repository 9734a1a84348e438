"""Channel attention explorer: whom each channel listens to, under three energies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from guided_attention.data import Volume
from guided_attention.errors import SettingsError, require_choice
from guided_attention.models import capture_features
from guided_attention.models.attention import ChannelAttention, Energy
from guided_attention.widgets.shared.attention import AttentionExplorer, collect, slice_data
from guided_attention.widgets.shared.first_view import first_channel
from guided_attention.widgets.shared.inputs import Slice, as_slice, class_list, grey_values
from guided_attention.widgets.shared.pack import pack, pack_pictures, unpack

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ChannelExplorer"]

_SAYS = {"paper": "softmax of E", "released": "softmax of max(E) - E", "scaled": "softmax of E over the root of N"}


class ChannelExplorer(AttentionExplorer):
    """Choose a channel; see its features, whom it listens to (eq. 4), and what comes back to it (eq. 5).

    Made by `from_model` or `from_module`. The maps are computed by PyTorch for each energy, and shipped whole.

    Attributes
    ----------
    channel, other : int
        The channel that listens, and the one beside it.
    network, scale, step
        Which map; see `AttentionExplorer`.
    energy : {"paper", "released", "scaled"}
        What the softmax sees; see `ChannelAttention`.

    Notes
    -----
    Used in the chapter *Attention you can touch*.
    """

    _script = "channel"

    channel = traitlets.Int(0).tag(sync=True)
    other = traitlets.Int(0).tag(sync=True)
    energy = traitlets.Enum(get_args(Energy)).tag(sync=True)

    @classmethod
    def from_model(
        cls,
        model: nn.Module | Mapping[str, nn.Module],
        image: Volume | Slice | np.ndarray | Tensor,
        labels: np.ndarray | Tensor | None = None,
        *,
        channel: int | None = None,
        scales: Sequence[int] | None = None,
        energies: Sequence[Energy] = get_args(Energy),
        **options: Any,
    ) -> ChannelExplorer:
        """Explore every `ChannelAttention` inside one network, or inside several on the same slice.

        Parameters
        ----------
        model : nn.Module, or dict of them
            Any network; with names for several: ``{"untrained": a, "trained": b}``.
        image, labels, **options
            The slice; see `guided_attention.widgets.shared.inputs.as_slice`.
        channel : int, optional
            The channel to start with; default, as scale and step, one of the last network that listens to another; see
            `guided_attention.widgets.shared.first_view.first_channel`. Set the traits for others.
        scales : sequence of int, optional
            Only these (a page with fewer is smaller).
        energies : sequence of str
            The energies to compare.

        Raises
        ------
        SettingsError
            If a network has no channel attention, the slice does not fit, or there is no such channel or energy.
        """
        found = as_slice(image, labels, **options)
        networks, family = collect(
            model,
            found.x,
            lambda network, x: capture_features(network, x, ChannelAttention),
            lambda module, features: _pack_map(module, features, energies),
            scales,
            "ChannelAttention",
        )
        return cls._make(found, networks, family, channel)

    @classmethod
    def from_module(
        cls,
        module: ChannelAttention,
        features: Tensor,
        image: Volume | Slice | np.ndarray | Tensor,
        labels: np.ndarray | Tensor | None = None,
        *,
        channel: int | None = None,
        energies: Sequence[Energy] = get_args(Energy),
        **options: Any,
    ) -> ChannelExplorer:
        """Explore one module on the features (1, C, h, w) that it gets; the rest as for `from_model`."""
        found = as_slice(image, labels, **options)
        maps = [{"scale": 0, "step": 1, "label": "attention", **_pack_map(module, features, energies)}]
        return cls._make(found, [{"name": "network", "maps": maps}], False, channel)

    @classmethod
    def _make(cls, found: Slice, networks: list[dict[str, Any]], family: bool, channel: int | None) -> ChannelExplorer:
        maps = networks[-1]["maps"]
        count = maps[0]["features"]["shape"][0]
        if channel is not None and not 0 <= channel < count:
            raise SettingsError(f"channel={channel}: the map has the channels 0 to {count - 1}.")
        energy = maps[0]["energy"] if maps[0]["energy"] in maps[0]["weights"] else next(iter(maps[0]["weights"]))
        plain = [
            {**one, "weights": unpack(one["weights"][energy]), "pictures": unpack(one["features"])} for one in maps
        ]
        view = first_channel(plain, grey_values(found.x[0, 0]), channel)
        data = {
            **slice_data(found),
            "classes": class_list(found.labels),
            "family": family,
            "networks": networks,
        }
        return cls(
            data=data,
            channel=view.channel,
            other=view.other,
            network=networks[-1]["name"],
            scale=view.scale,
            step=view.step,
            energy=energy,
        )

    def row(self) -> np.ndarray:
        """Return whom `channel` listens to, float16 (C,), as the browser has it."""
        return unpack(self.current()["weights"][self.energy])[self.channel]

    def picture(self) -> Figure:
        """Draw the map, the chosen channel and the one that it listens to."""
        from matplotlib import pyplot as plt

        found = self.current()
        weights, features = unpack(found["weights"][self.energy]), unpack(found["features"])
        figure, axes = plt.subplots(1, 3, figsize=(8.4, 3.2), layout="constrained")
        drawn = axes[0].imshow(weights, cmap="viridis", vmin=0)
        axes[0].set(title=_SAYS[self.energy], xlabel="is listened to", ylabel="listens")
        figure.colorbar(drawn, ax=axes[0], shrink=0.7)
        for ax, number, role in ((axes[1], self.channel, "listens"), (axes[2], self.other, "is listened to")):
            ax.imshow(features[number], cmap="viridis")
            ax.set(title=f"channel {number} {role}", xticks=[], yticks=[])
        return figure

    @property
    def alt(self) -> str:
        """What `picture` shows."""
        row = self.row()
        return (
            f"Left, the {len(row)} x {len(row)} map of channel attention, {_SAYS[self.energy]}. Beside it the features "
            f"of channel {self.channel} and of channel {self.other}, which it listens to with weight "
            f"{row[self.other]:.2f}."
        )


@torch.no_grad()
def _pack_map(module: ChannelAttention, features: Tensor, energies: Sequence[Energy]) -> dict[str, Any]:
    for energy in energies:
        require_choice("energy", energy, get_args(Energy))
    features = features[:1].detach()
    weights = {energy: ChannelAttention(energy).weights(features)[0].cpu().numpy() for energy in energies}
    values = features[0].float().cpu().numpy()
    low, high = values.min((1, 2)), values.max((1, 2))
    span = np.where(high > low, high - low, 1)[:, None, None]
    return {
        "weights": {energy: pack(found, "float16") for energy, found in weights.items()},
        "features": pack_pictures(np.round(255 * (values - low[:, None, None]) / span).astype(np.uint8)),
        "low": [float(value) for value in low],
        "high": [float(value) for value in high],
        "energy": module.energy,
        "lam": module.lam.item(),
    }
