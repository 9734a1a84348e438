"""Metric playground: move a mask, make it fatter, add a speck, and see which metric notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from torch import Tensor

from guided_attention.data import ORGANS, Volume
from guided_attention.errors import SettingsError
from guided_attention.evaluation.distances import surface_distances
from guided_attention.evaluation.overlap import dice, volume_similarity
from guided_attention.widgets.metric_data import cut_off, elsewhere, far_away, grown, moved, speck
from guided_attention.widgets.shared.base import GuidedWidget
from guided_attention.widgets.shared.inputs import Slice, as_slice, class_list, grey_values
from guided_attention.widgets.shared.pack import pack, unpack
from guided_attention.widgets.volume_data import pack_grey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MetricPlayground"]

#: Most that the grey values may add to a page.
_GREY_BYTES = 60_000
_NONE = {"rows": 0, "cols": 0, "grow": 0, "cut": 0, "speck": 0, "absent": False}


class MetricPlayground(GuidedWidget):
    """Drag a copy of an organ's mask over the original; see DSC, VS and surface distances move (eq. 12-15).

    Parameters
    ----------
    image : Volume, Slice, or array (H, W)
        The slice; see `guided_attention.widgets.shared.inputs.as_slice`.
    labels : array (H, W), optional
        Reference classes; a volume brings its own.
    organ : int or str, optional
        The class to start with, or its name (``"liver"``); default the largest of the slice.
    **options
        Options of `as_slice` (``index``, ``size``, ``spacing``, ...) and traits (``cols=5``).

    Attributes
    ----------
    organ : int
        The class whose pixels are the reference.
    rows, cols : int
        Shift of the copy, down and to the right, in pixels.
    grow : int
        Radius of a dilation in pixels; negative: of an erosion.
    cut : int
        Per cent of the copy's pixels that are missing, from the bottom up.
    speck : int
        Pixels of a stray island; 0: none.
    speck_at : (row, col)
        Its middle.
    absent : bool
        The reference has no such organ.
    held : {"mask", "speck"}
        What arrow keys move.

    Raises
    ------
    SettingsError
        If there are no labels, no organ in the slice, no such organ, or a value is out of range.

    Notes
    -----
    The copy is the reference after `grown`, `cut_off`, `moved` and `speck` of
    `guided_attention.widgets.metric_data`, in this order. The browser counts and measures by itself what
    `guided_attention.metrics` does on the one slice as a volume (1, H, W), empty masks included. Distances are in
    voxels, and in mm if the size of a pixel is known. Used in the chapter *Evaluating the network*.
    """

    _script = "metric_playground"

    organ = traitlets.Int(1).tag(sync=True)
    rows = traitlets.Int(0).tag(sync=True)
    cols = traitlets.Int(0).tag(sync=True)
    grow = traitlets.Int(0, min=-12, max=12).tag(sync=True)
    cut = traitlets.Int(0, min=0, max=100).tag(sync=True)
    speck = traitlets.Int(0, min=0, max=80).tag(sync=True)
    speck_at = traitlets.List(traitlets.Int(), minlen=2, maxlen=2).tag(sync=True)
    absent = traitlets.Bool(False).tag(sync=True)
    held = traitlets.Enum(("mask", "speck"), "mask").tag(sync=True)

    def __init__(
        self,
        image: Volume | Slice | np.ndarray | Tensor,
        labels: np.ndarray | Tensor | None = None,
        *,
        organ: int | str | None = None,
        **options: Any,
    ) -> None:
        traits = {name: options.pop(name) for name in list(options) if name in self.class_trait_names()}
        found = as_slice(image, labels, **options)
        if found.labels is None or not found.labels.any():
            raise SettingsError("labels: the playground needs a slice with at least one organ in its labels.")
        grey = grey_values(found.x[0, 0])
        thick = float(image.spacing[0]) if isinstance(image, Volume) else 1.0
        classes = class_list(found.labels)
        present = [int(value) for value in np.unique(found.labels) if value]
        organs = [{"value": value, **classes[value], **_situations(found.labels == value, grey)} for value in present]
        chosen = _class_of(organ, found.labels, present)
        data = {
            **pack_grey([grey[None]], _GREY_BYTES),
            "size": list(grey.shape),
            "spacing": None if found.spacing is None else [thick, *found.spacing],
            "labels": pack(found.labels, "uint8"),
            "organs": organs,
        }
        far = next(one["far"] for one in organs if one["value"] == chosen)
        super().__init__(data=data, organ=chosen, **{"speck_at": far, **traits})

    @traitlets.validate("organ")
    def _there(self, proposal: dict[str, Any]) -> int:
        present = [one["value"] for one in self.data["organs"]]
        if proposal["value"] not in present:
            raise SettingsError(f"organ={proposal['value']} is not in this slice; it has {present}.")
        return proposal["value"]

    def reference(self) -> np.ndarray:
        """Return the reference mask, bool (H, W)."""
        mask = unpack(self.data["labels"]) == self.organ
        return np.zeros_like(mask) if self.absent else mask

    def prediction(self) -> np.ndarray:
        """Return the copy with its mistakes, bool (H, W)."""
        mask = cut_off(grown(unpack(self.data["labels"]) == self.organ, self.grow), self.cut)
        return moved(mask, self.rows, self.cols) | speck(mask.shape, tuple(self.speck_at), self.speck)

    def scores(self) -> dict[str, float]:
        """Return ``dsc``, ``vs``, and ``msd`` and ``maximum`` in voxels, with ``_mm`` also in mm where known."""
        pair = self.prediction()[None], self.reference()[None]
        found = {"dsc": float(dice(*pair)), "vs": float(volume_similarity(*pair))}
        for suffix, spacing in (("", (1.0, 1.0, 1.0)), ("_mm", self.data["spacing"])):
            if spacing:
                distances = surface_distances(*pair, spacing)
                found |= {f"msd{suffix}": distances.pooled_mean, f"maximum{suffix}": distances.maximum}
        return found

    def picture(self) -> Figure:
        """Draw the slice with the reference in white and the copy in the organ's colour, and the numbers."""
        from matplotlib import pyplot as plt

        from guided_attention.figures import show_slice

        size, shrink = self.data["size"], self.data["shrink"]
        grey = np.kron(unpack(self.data["phases"][0])[0], np.ones((shrink, shrink), np.uint8))[: size[0], : size[1]]
        spacing = self.data["spacing"] or (1.0, 1.0, 1.0)
        figure, ax = plt.subplots(figsize=(4.4, 4.8), layout="constrained")
        show_slice(ax, grey, aspect=spacing[1] / spacing[2], title=self._words())
        for mask, colour in ((self.prediction(), self._class()["colour"]), (self.reference(), "white")):
            if mask.any():
                ax.contour(mask, levels=[0.5], colors=colour, linewidths=1.4)
        return figure

    @property
    def alt(self) -> str:
        """What `picture` shows."""
        return (
            f"An axial slice (the patient's right is on the picture's left) with the outline of the "
            f"{self._class()['name']} in white and that of a copy, shifted {self.rows} pixels down and {self.cols} to "
            f"the right, in colour. {self._words()}."
        )

    def _class(self) -> dict[str, Any]:
        return next(one for one in self.data["organs"] if one["value"] == self.organ)

    def _words(self) -> str:
        found = self.scores()
        unit, suffix = ("mm", "_mm") if self.data["spacing"] else ("pixels", "")
        return f"DSC {found['dsc']:.3f}, VS {found['vs']:.3f}, MSD {found[f'msd{suffix}']:.2f} {unit}"


def _class_of(organ: int | str | None, labels: np.ndarray, present: list[int]) -> int:
    if organ is None:
        return max(present, key=lambda value: int((labels == value).sum()))
    if isinstance(organ, str):
        name = organ.replace(" ", "_")
        if name not in ORGANS:
            raise SettingsError(f"organ={organ!r} is unknown; choose one of {', '.join(ORGANS)}.")
        organ = ORGANS.index(name) + 1
    if organ not in present:
        raise SettingsError(f"organ={organ} is not in this slice; it has {present}. Choose another slice by `index`.")
    return int(organ)


def _situations(mask: np.ndarray, grey: np.ndarray) -> dict[str, Any]:
    """Named mistakes of one organ: what they set, and what to notice."""
    away, far = elsewhere(mask), list(far_away(mask, grey))
    there = {} if away is None else {"rows": away[0], "cols": away[1]}
    known = (
        ("Same mask", {}, "Every metric is perfect: DSC 1, VS 1, no distance."),
        ("One pixel too fat", {"grow": 1}, "A rim of one pixel. Dice counts all of it; the surfaces stay close."),
        ("Same size elsewhere", there, "Not one pixel in common: DSC 0. But VS is 1: it compares sizes only."),
        (
            "A speck far away",
            {"speck": 12, "speck_at": far},
            "Twelve pixels, far away. Dice and VS move little. MSD notices, the maximum distance jumps.",
        ),
        (
            "A third missing",
            {"cut": 33},
            "The prediction lies inside the reference. Then DSC and VS are the same number.",
        ),
        ("Missed", {"cut": 100}, ""),
        ("In neither", {"cut": 100, "absent": True}, ""),
    )
    rows = [
        {"name": name, "words": words, "set": {**_NONE, **values}}
        for name, values, words in known
        if values or name == "Same mask"
    ]
    return {"far": far, "situations": rows}
