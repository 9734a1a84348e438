"""Live network: the network itself runs in the page; paint on a slice and see its answer change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from torch import nn

from guided_attention.data import InputSettings, LabelSet
from guided_attention.errors import require_choice
from guided_attention.files import write_bytes
from guided_attention.models.stored.onnx import Exported, export_network, export_weights
from guided_attention.models.stored.onnx_weights import WEIGHTS
from guided_attention.models.stored.weights import in_half_precision
from guided_attention.paths import weights_file
from guided_attention.widgets.live_data import (
    RUNTIME_FILES,
    Image,
    input_of,
    live_data,
    require_one_channel,
    runtime_folder,
    slices_of,
)
from guided_attention.widgets.shared.base import GuidedWidget
from guided_attention.widgets.shared.inputs import drawn_set
from guided_attention.widgets.shared.pack import unpack

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LiveNetwork"]

TOOLS = ("look", "erase", "brighten", "darken", "draw")


class LiveNetwork(GuidedWidget):
    """Paint on a slice, or open one of your own, and see segmentation and attention of the network change.

    Two buttons erase the tenth of the slice that the chosen position attends to most, or as much elsewhere (chapter
    *Does the map explain?*).

    Made by `from_weights` or `from_model`. The network runs in the browser, by ONNX Runtime Web on one thread; nothing
    leaves it. On a page the network is fetched when the reader asks for it; in a notebook the kernel hands it over.

    Attributes
    ----------
    slice : int
        Which of the slices; -1: the reader's own.
    tool : {"look", "erase", "brighten", "darken", "draw"}
        What a click does: choose a position, or paint.
    brush : int
        Radius of the brush in pixels; 0 paints one pixel.
    grey : float
        Grey of the pen between black (0) and white (1).
    position : (row, col)
        Pixel of the image whose position asks.
    scale, step : int
        Which attention; for a network other than ours, ``scale`` counts its attention modules.
    counts : list of int
        Pixels of each class in the browser's last answer; empty before the first.
    urls : dict
        ``runtime``: folder of ONNX Runtime Web, ``weights``: file of the weights; relative to the page.

    Notes
    -----
    Used in the chapter *The network in the page*.
    """

    _script = "live"

    slice = traitlets.Int(0).tag(sync=True)
    tool = traitlets.Enum(TOOLS, "look").tag(sync=True)
    brush = traitlets.Int(4, min=0).tag(sync=True)
    grey = traitlets.Float(0.8, min=0, max=1).tag(sync=True)
    position = traitlets.List(traitlets.Int(), minlen=2, maxlen=2).tag(sync=True)
    scale = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)
    counts = traitlets.List(traitlets.Int()).tag(sync=True)
    urls = traitlets.Dict(per_key_traits={"runtime": traitlets.Unicode(), "weights": traitlets.Unicode()}).tag(
        sync=True
    )
    _exported: Exported

    @classmethod
    def from_weights(
        cls,
        path: str | Path,
        images: Mapping[str, Image] | Sequence[Image] | Image,
        *,
        weights: str | None = None,
        runtime: str = "../onnxruntime-web/",
    ) -> LiveNetwork:
        """Run a network from its file of weights; the same file is what the page fetches.

        Parameters
        ----------
        path : path
            What `guided_attention.models.stored.save_network` wrote, or the folder of a run.
        images : slice, sequence of them, or dict
            What can be chosen; with names, or numbered. Volumes are prepared as in the network's training; see
            `guided_attention.widgets.shared.inputs.as_slice`.
        weights : str, optional
            Where the page finds this file, relative to itself; default one folder above, in a folder of the same
            name as here (so the chapters find what lies in ``book/weights``).
        runtime : str
            Where the page finds ONNX Runtime Web; in the book it is one folder above the chapters.

        Raises
        ------
        CheckpointError, SettingsError
            As for `guided_attention.models.stored.onnx.export_weights`.
        """
        exported, model, spec = export_weights(path)
        file = weights_file(path)
        urls = {"runtime": runtime, "weights": weights or f"../{file.resolve().parent.name}/{file.name}"}
        return cls._make(exported, model, images, urls, spec.inputs)

    @classmethod
    def from_model(
        cls,
        model: nn.Module,
        images: Mapping[str, Image] | Sequence[Image] | Image,
        inputs: InputSettings | None = None,
        *,
        label_set: LabelSet | None = None,
        weights: str = WEIGHTS,
        runtime: str = "onnxruntime-web/",
    ) -> LiveNetwork:
        """Run any network: its forward pass takes (1, 1, H, W) and returns logits (1, K, H, W).

        Parameters
        ----------
        model : nn.Module
            On the CPU. Its parameters are rounded to half precision.
        images
            As for `from_weights`. The first has the size that the browser runs.
        inputs : InputSettings, optional
            How volumes are prepared, see `guided_attention.widgets.shared.inputs.as_slice`.
        label_set : LabelSet, optional
            What the network tells apart; default that of the first slice.
        weights, runtime : str
            Where the page finds them; `save` puts them there.
        """
        first = slices_of(images, inputs)[0][1]
        _, channels, *size = first.x.shape
        require_one_channel(channels)
        exported = export_network(model, tuple(size), channels, label_set=label_set or first.label_set)
        return cls._make(exported, in_half_precision(model), images, {"runtime": runtime, "weights": weights}, inputs)

    @classmethod
    def _make(
        cls, exported: Exported, model: nn.Module, images: Any, urls: dict[str, str], inputs: InputSettings | None
    ) -> LiveNetwork:
        data, view = live_data(exported, model, images, inputs)
        widget = cls(data=data, position=list(view.position), urls=urls, scale=view.scale, step=view.step)
        widget._exported = exported
        widget.on_msg(LiveNetwork._hand_over)
        return widget

    @traitlets.validate("slice")
    def _known(self, proposal: dict[str, Any]) -> int:
        require_choice("slice", proposal["value"], (-1, *range(len(self.data["slices"]))))
        return proposal["value"]

    def image(self, index: int | None = None) -> np.ndarray:
        """Return a slice as the network gets it, float32 (1, 1, H, W); default the present one."""
        index = max(self.slice, 0) if index is None else index
        return input_of(self.data["slices"][index]["image"], self.data["size"])

    @cached_property
    def _files(self) -> bytes:
        return b"".join((runtime_folder() / name).read_bytes() for name in RUNTIME_FILES) + self._exported.weights

    def _hand_over(self, content: dict[str, Any], buffers: list[Any]) -> None:
        """Send a part of runtime and weights to a notebook, which asks for one after the other."""
        if content.get("type") == "part":
            start = int(content["start"])
            part = self._files[start : start + int(content["length"])]
            self.send({"type": "part", "start": start}, [part])

    def save(self, path: str | Path, title: str = "Guided Attention") -> Path:
        """Write a page with this widget alone, and beside it the runtime and the weights; return the page's path.

        The page needs a server, for example ``python -m http.server``: opened from a folder it shows the slices and
        what PyTorch computed, but may not read the network.
        """
        folder, urls = Path(path).parent, self.urls
        weights = f"{Path(path).stem}.safetensors"
        for name in RUNTIME_FILES:
            write_bytes(folder / "onnxruntime-web" / name, (runtime_folder() / name).read_bytes())
        write_bytes(folder / weights, self._exported.weights)
        self.urls = {"runtime": "onnxruntime-web/", "weights": weights}
        try:
            return super().save(path, title)
        finally:
            self.urls = urls

    def picture(self) -> Figure:
        """Draw the slice with the network's answer as PyTorch computed it."""
        from matplotlib import pyplot as plt

        from guided_attention.figures import organ_legend, show_slice

        chosen = self.data["slices"][max(self.slice, 0)]
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 4.2), layout="constrained")
        image = self.image()[0, 0]
        show_slice(left, image, title=chosen["name"])
        label_set = drawn_set(self.data["classes"])
        show_slice(right, image, unpack(chosen["prediction"]), title="the network's answer", label_set=label_set)
        organ_legend(figure, label_set=label_set)
        return figure

    @property
    def alt(self) -> str:
        """What `picture` shows."""
        chosen = self.data["slices"][max(self.slice, 0)]
        counts = np.bincount(unpack(chosen["prediction"]).ravel(), minlength=len(self.data["classes"]))
        organs = zip(self.data["classes"][1:], counts[1:], strict=True)
        found = ", ".join(f"{entry['name']} {count}" for entry, count in organs)
        return (
            f"Left, an axial slice, {chosen['name']} (the patient's right is on the picture's left). Right, the same "
            f"slice with outlines of what the network finds; pixels: {found}."
        )
