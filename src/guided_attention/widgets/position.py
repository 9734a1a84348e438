"""Position attention explorer: choose a position of a slice and see what it attends to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from guided_attention.data import Volume
from guided_attention.errors import SettingsError, require_choice
from guided_attention.models import PositionMaps, capture_positions
from guided_attention.models.attention import PositionAttention
from guided_attention.widgets.base import GuidedWidget
from guided_attention.widgets.inputs import (
    Slice,
    as_slice,
    class_list,
    device_of,
    grey_values,
    place_of,
    predicted,
)
from guided_attention.widgets.pack import pack, unpack
from guided_attention.widgets.rows import RowSummary, pack_maps, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PositionExplorer"]


class PositionExplorer(GuidedWidget, script="position"):
    """Choose a position; see its row of the attention map (eq. 2) over the slice, exactly.

    Made by `from_model` or `from_module`. The row is computed in the browser, from queries and keys.

    Attributes
    ----------
    position : (row, col)
        Pixel of the image whose position asks.
    pinned : list of (row, col)
        Up to four more, kept for comparison.
    network, scale, step
        Which map; where the network has none at that scale and step, its first. For a network other than ours,
        ``scale`` counts its attention modules.
    temperature : float
        Divides the products before the softmax; 1 is what the network does.
    overlay : {"labels", "prediction", "none"}
        Whose outlines are drawn, and whose organs the shares are counted over.

    Notes
    -----
    Used in the chapter *Position attention*.
    """

    position = traitlets.List(traitlets.Int(), minlen=2, maxlen=2).tag(sync=True)
    pinned = traitlets.List(traitlets.List(traitlets.Int(), minlen=2, maxlen=2), maxlen=4).tag(sync=True)
    network = traitlets.Unicode().tag(sync=True)
    scale = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    overlay = traitlets.Enum(("labels", "prediction", "none")).tag(sync=True)

    @classmethod
    def from_model(
        cls,
        model: nn.Module | Mapping[str, nn.Module],
        image: Volume | Slice | np.ndarray | Tensor,
        labels: np.ndarray | Tensor | None = None,
        *,
        at: tuple[int, int] | None = None,
        scales: Sequence[int] | None = None,
        **options: Any,
    ) -> PositionExplorer:
        """Explore every `PositionAttention` inside one network, or inside several on the same slice.

        Parameters
        ----------
        model : nn.Module, or dict of them
            Any network; with names for several: ``{"untrained": a, "trained": b}``.
        image, labels, **options
            The slice; see `guided_attention.widgets.inputs.as_slice`.
        at : (row, col), optional
            The pixel to start with; default the middle of the largest organ, or of the slice.
        scales : sequence of int, optional
            Only these (a page with fewer is smaller).

        Raises
        ------
        SettingsError
            If a network has no position attention, the slice does not fit, or ``at`` lies outside it.
        """
        models = dict(model) if isinstance(model, Mapping) else {"network": model}
        found = as_slice(image, labels, **options)
        networks, family = [], True
        for name, network in models.items():
            maps = []
            for number, (path, values) in enumerate(capture_positions(network, found.x.to(device_of(network))).items()):
                own, scale, step, label = place_of(path, number)
                family = family and own
                if scales is None or scale in scales:
                    maps.append({"scale": scale, "step": step, "label": label, **pack_maps(values)})
            if not maps:
                raise SettingsError(
                    f"model {name!r}: found no PositionAttention module in it (or none at these scales)."
                )
            networks.append({"name": name, "prediction": predicted(network, found.x), "maps": maps})
        return cls._make(found, networks, family, at)

    @classmethod
    def from_module(
        cls,
        module: PositionAttention,
        features: Tensor,
        image: Volume | Slice | np.ndarray | Tensor,
        labels: np.ndarray | Tensor | None = None,
        *,
        at: tuple[int, int] | None = None,
        **options: Any,
    ) -> PositionExplorer:
        """Explore one attention module on the features that it gets.

        Parameters
        ----------
        module : PositionAttention
            Anything with ``query``, ``key`` (both B, C, h, w -> B, d, h, w) and ``lam``.
        features : Tensor, (1, C, h, w)
            Its input.
        image, labels, at, **options
            As for `from_model`.

        Raises
        ------
        SettingsError
            If the slice does not fit, or ``at`` lies outside it.
        """
        found = as_slice(image, labels, **options)
        with torch.no_grad():
            query, key = module.query(features).flatten(2), module.key(features).flatten(2)
        values = PositionMaps(query, key, tuple(features.shape[2:]), tuple(found.x.shape[2:]), module.lam.item())
        maps = [{"scale": 0, "step": 1, "label": "attention", **pack_maps(values)}]
        return cls._make(found, [{"name": "network", "prediction": None, "maps": maps}], False, at)

    @classmethod
    def _make(
        cls, found: Slice, networks: list[dict[str, Any]], family: bool, at: tuple[int, int] | None
    ) -> PositionExplorer:
        masks = [found.labels, *(network["prediction"] for network in networks)]
        start = _middle(next((mask for mask in masks if mask is not None), None), tuple(found.x.shape[2:]))
        start = start if at is None else (int(at[0]), int(at[1]))
        if not all(0 <= place < length for place, length in zip(start, found.x.shape[2:], strict=True)):
            raise SettingsError(f"at={start} lies outside the image of {tuple(found.x.shape[2:])} pixels.")
        packed = [
            {**network, "prediction": None if network["prediction"] is None else pack(network["prediction"], "uint8")}
            for network in networks
        ]
        data = {
            "image": pack(grey_values(found.x[0, 0]), "uint8"),
            "labels": None if found.labels is None else pack(found.labels, "uint8"),
            "classes": class_list(*masks),
            "spacing": None if found.spacing is None else list(found.spacing),
            "family": family,
            "networks": packed,
        }
        overlay = "labels" if found.labels is not None else "prediction" if packed[0]["prediction"] else "none"
        first = packed[-1]["maps"][0]
        return cls(
            data=data,
            position=list(start),
            network=packed[-1]["name"],
            scale=first["scale"],
            step=first["step"],
            overlay=overlay,
        )

    @traitlets.validate("network")
    def _known(self, proposal: dict[str, Any]) -> str:
        require_choice("network", proposal["value"], [network["name"] for network in self.data["networks"]])
        return proposal["value"]

    def current(self) -> dict[str, Any]:
        """Return the packed map that is shown: ``query``, ``key``, ``grid``, ``lam``, ``scale``, ``step``."""
        (maps,) = (network["maps"] for network in self.data["networks"] if network["name"] == self.network)
        of_scale = [found for found in maps if found["scale"] == self.scale] or maps[:1]
        return next((found for found in of_scale if found["step"] == self.step), of_scale[0])

    def row(self) -> np.ndarray:
        """Return what `position` attends to, float64 (h, w), from the numbers that the browser has."""
        found = self.current()
        query, key = (unpack(found[name]).astype(np.float64) for name in ("query", "key"))
        logits = query[:, self._at()[0] * found["grid"][1] + self._at()[1]] @ key / self.temperature
        powers = np.exp(logits - logits.max())
        return (powers / powers.sum()).reshape(found["grid"])

    def summary(self) -> RowSummary:
        """Return entropy, effective receptive field and mean distance of `row`."""
        grid, size = self.current()["grid"], self.data["image"]["shape"]
        pixel = self.data["spacing"] or (1.0, 1.0)
        pitch = tuple(size[axis] / grid[axis] * pixel[axis] for axis in (0, 1))
        return summarise(self.row(), self._at(), pitch)

    def _at(self) -> tuple[int, int]:
        grid, size = self.current()["grid"], self.data["image"]["shape"]
        return tuple(self.position[axis] * grid[axis] // size[axis] for axis in (0, 1))

    def picture(self) -> Figure:
        """Draw the slice with the asking position, and its attention."""
        from matplotlib import pyplot as plt

        from guided_attention.figures import organ_legend, show_attention, show_slice

        image = unpack(self.data["image"])
        labels = self._drawn()
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 4.2), layout="constrained")
        show_slice(left, image, labels, title="asks")
        left.plot(self.position[1], self.position[0], marker="x", color="white", markersize=9, markeredgewidth=2.5)
        drawn = show_attention(right, image, self.row(), tuple(self.position), title="answers")
        figure.colorbar(drawn, ax=right, shrink=0.7, label="times uniform attention")
        if labels is not None:
            organ_legend(figure)
        return figure

    @property
    def alt(self) -> str:
        """What `picture` shows."""
        found = self.summary()
        unit = "mm" if self.data["spacing"] else "pixels"
        return (
            f"Left, an axial slice (the patient's right is on the picture's left) with a cross at row "
            f"{self.position[0]}, column {self.position[1]}. Right, the same slice with the attention of that "
            f"position: half of it lies on {found.half} of {self.row().size} positions, {found.distance:.0f} {unit} "
            "away on average."
        )

    def _drawn(self) -> np.ndarray | None:
        (prediction,) = (n["prediction"] for n in self.data["networks"] if n["name"] == self.network)
        packed = {"labels": self.data["labels"], "prediction": prediction}.get(self.overlay)
        return None if packed is None else unpack(packed)


def _middle(labels: np.ndarray | None, size: tuple[int, int]) -> tuple[int, int]:
    """Return the organ pixel nearest to the middle of the largest organ; without organs the middle of the slice."""
    if labels is None or not labels.any():
        return size[0] // 2, size[1] // 2
    largest = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    places = np.argwhere(labels == largest)
    nearest = places[((places - places.mean(0)) ** 2).sum(1).argmin()]
    return int(nearest[0]), int(nearest[1])
