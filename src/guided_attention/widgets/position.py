"""Position attention explorer: choose a position of a slice and see what it attends to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from guided_attention.data import Volume
from guided_attention.models import PositionMaps, capture_positions
from guided_attention.models.attention import PositionAttention
from guided_attention.widgets.shared.attention import AttentionExplorer, collect, slice_data
from guided_attention.widgets.shared.first_view import first_view
from guided_attention.widgets.shared.inputs import Slice, as_slice, class_list, grey_values, predicted
from guided_attention.widgets.shared.pack import pack, unpack
from guided_attention.widgets.shared.rows import RowSummary, pack_maps, position_of, row_of, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PositionExplorer"]


class PositionExplorer(AttentionExplorer):
    """Choose a position; see its row of the attention map (eq. 2) over the slice, exactly.

    Made by `from_model` or `from_module`. The row is computed in the browser, from queries and keys.

    Attributes
    ----------
    position : (row, col)
        Pixel of the image whose position asks.
    pinned : list of (row, col)
        Up to four more, kept for comparison.
    network, scale, step
        Which map; see `AttentionExplorer`.
    temperature : float
        Divides the products before the softmax; the network has 1.
    colours : {"linear", "logarithmic"}
        From 0 to the row's largest weight, or over three powers of ten below it.
    overlay : {"labels", "prediction", "none"}
        Whose outlines are drawn, and whose organs the shares are counted over.

    Notes
    -----
    Used in the chapter *Attention you can touch*.
    """

    _script = "position"

    position = traitlets.List(traitlets.Int(), minlen=2, maxlen=2).tag(sync=True)
    pinned = traitlets.List(traitlets.List(traitlets.Int(), minlen=2, maxlen=2), maxlen=4).tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    colours = traitlets.Enum(("linear", "logarithmic"), "linear").tag(sync=True)
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
            The slice; see `guided_attention.widgets.shared.inputs.as_slice`.
        at : (row, col), optional
            The pixel to start with; default the middle of an organ. Scale, step and organ are those with most to show,
            in the last network; see `guided_attention.widgets.shared.first_view.first_view`. Set the traits for others.
        scales : sequence of int, optional
            Only these (a page with fewer is smaller).

        Raises
        ------
        SettingsError
            If a network has no position attention, the slice does not fit, or ``at`` lies outside it.
        """
        found = as_slice(image, labels, **options)
        kind = "PositionAttention"
        networks, family = collect(model, found.x, capture_positions, lambda _, maps: pack_maps(maps), scales, kind)
        models = model if isinstance(model, Mapping) else {"network": model}
        predictions = [predicted(network, found.x) for network in models.values()]
        return cls._make(found, networks, family, predictions, at)

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
        return cls._make(found, [{"name": "network", "maps": maps}], False, [None], at)

    @classmethod
    def _make(
        cls,
        found: Slice,
        networks: list[dict[str, Any]],
        family: bool,
        predictions: list[np.ndarray | None],
        at: tuple[int, int] | None,
    ) -> PositionExplorer:
        masks, last = [found.labels, *predictions], networks[-1]
        known = predictions[-1] if found.labels is None else found.labels
        view = first_view(last["maps"], grey_values(found.x[0, 0]), known, at)
        for network, mask in zip(networks, predictions, strict=True):
            network["prediction"] = None if mask is None else pack(mask, "uint8")
        data = {**slice_data(found), "classes": class_list(*masks), "family": family, "networks": networks}
        overlay = "labels" if found.labels is not None else "prediction" if last["prediction"] else "none"
        places = {"network": last["name"], "scale": view.scale, "step": view.step}
        return cls(data=data, position=list(view.position), overlay=overlay, **places)

    def row(self) -> np.ndarray:
        """Return what `position` attends to, float64 (h, w), from the numbers that the browser has."""
        return row_of(self.current(), self._at(), self.temperature)

    def summary(self) -> RowSummary:
        """Return entropy, effective receptive field and mean distance of `row`."""
        grid, size = self.current()["grid"], self.data["image"]["shape"]
        pixel = self.data["spacing"] or (1.0, 1.0)
        pitch = tuple(size[axis] / grid[axis] * pixel[axis] for axis in (0, 1))
        return summarise(self.row(), self._at(), pitch)

    def _at(self) -> tuple[int, int]:
        return position_of(self.position, self.data["image"]["shape"], self.current()["grid"])

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
        packed = {"labels": self.data["labels"], "prediction": self.chosen()["prediction"]}.get(self.overlay)
        return None if packed is None else unpack(packed)
