"""Volume browser: go through the slices, prediction against reference, and see where Dice comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from torch import Tensor, nn

from guided_attention.data import InputSettings, LabelSet, Volume
from guided_attention.errors import SettingsError
from guided_attention.evaluation.overlap import mean_surface_distance
from guided_attention.evaluation.predict import predict_volume
from guided_attention.widgets.shared.base import GuidedWidget
from guided_attention.widgets.shared.inputs import class_list, drawn_set, grey_values
from guided_attention.widgets.shared.pack import pack, unpack
from guided_attention.widgets.volume_data import as_classes, as_image, body, pack_grey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["VolumeBrowser"]


class VolumeBrowser(GuidedWidget):
    """Scroll through a volume; lay prediction and reference over it, mark errors, read the metrics.

    Parameters
    ----------
    volume : Volume
        Image and, where there is one, reference labels. Of several channels the first two are shown.
    prediction : Volume or array (D, H, W), optional
        Predicted labels; those of a Volume with another label set are matched by name.
    out_phase : Volume or array (D, H, W), optional
        The same subject out of phase, or otherwise; a slider blends the two. Default a second channel of the volume.
    slice : int, optional
        The slice to start with; default the middle one of those that show most organs, or the volume's.

    Attributes
    ----------
    slice : int
        Which slice, 0 the lowest.
    organs : list of int
        Classes that are drawn, and whose errors are marked.
    predicted, reference : {"fill", "outline", "hide"}
        How each is drawn.
    errors : bool
        Mark what the prediction missed and what it invented. A pixel of one organ taken for another is missed.
    phase : float
        0: in phase; 1: out of phase; between them, a blend.

    Raises
    ------
    SettingsError
        If shapes do not fit, labels are no classes, or there is no such slice.

    Notes
    -----
    The page holds the body's bounding box. Labels are exact; grey values are as fine as `volume_data.GREY_BYTES`
    allows (the widget says how fine). Dice and volume similarity (eq. 12, 13) are counted in the browser, for the
    slice and for the volume; the mean surface distance (eq. 14) of the volume, in mm, comes from
    `guided_attention.evaluation.overlap.mean_surface_distance`. Used in the chapter *Looking at the masks*.
    """

    _script = "volume_browser"

    slice = traitlets.Int(0).tag(sync=True)
    organs = traitlets.List(traitlets.Int()).tag(sync=True)
    predicted = traitlets.Enum(("fill", "outline", "hide"), "fill").tag(sync=True)
    reference = traitlets.Enum(("fill", "outline", "hide"), "outline").tag(sync=True)
    errors = traitlets.Bool(False).tag(sync=True)
    phase = traitlets.Float(0.0, min=0.0, max=1.0).tag(sync=True)

    def __init__(
        self,
        volume: Volume,
        prediction: Volume | np.ndarray | Tensor | None = None,
        out_phase: Volume | np.ndarray | Tensor | None = None,
        *,
        slice: int | None = None,
        **traits: Any,
    ) -> None:
        if isinstance(prediction, Volume) and volume.labels is None:
            volume = replace(volume, label_set=prediction.label_set)
        predicted = as_classes(prediction, volume.shape, volume.label_set)
        second = volume.channel(1) if out_phase is None and volume.channels > 1 else out_phase
        first, other = volume.channel(), as_image("out_phase", second, volume.shape)
        labels = [found for found in (volume.labels, predicted) if found is not None]
        box = body(first, labels)
        phases = pack_grey([grey_values(image)[box] for image in (first, other) if image is not None])
        if slice is None:
            slice = _middle(labels[0] if labels else np.zeros(volume.shape, np.uint8))
        classes = class_list(*labels, label_set=volume.label_set)
        data = {
            "subject": volume.subject,
            "spacing": list(volume.spacing),
            "shape": [int(number) for number in first[box].shape],
            "corner": [int(side.start) for side in box[1:]],
            "matrix": list(volume.shape[1:]),
            **phases,
            "blend": " to ".join(volume.channel_names[:2]) if out_phase is None else "",
            "labels": None if volume.labels is None else pack(volume.labels[box], "uint8"),
            "prediction": None if predicted is None else pack(predicted[box], "uint8"),
            "classes": classes,
            "distances": _distances(volume, predicted, len(classes)),
        }
        super().__init__(data=data, slice=slice, **{"organs": list(range(1, len(classes))), **traits})

    @classmethod
    def from_model(
        cls,
        model: nn.Module,
        volume: Volume,
        inputs: InputSettings | None = None,
        *,
        device: str = "cpu",
        label_set: LabelSet | None = None,
        **options: Any,
    ) -> VolumeBrowser:
        """Predict a volume and browse the result.

        Parameters
        ----------
        model : nn.Module
            Any network of the package.
        volume : Volume
            What is predicted; its labels, where there are any, are the reference.
        inputs, device, label_set
            As for `predict_volume`; default inputs: padded to the larger side of the volume's matrix.
        **options
            As for `VolumeBrowser`.

        Raises
        ------
        SettingsError
            As for `predict_volume` and `VolumeBrowser`.
        """
        inputs = inputs or InputSettings(max(volume.shape[1:]))
        return cls(volume, predict_volume(model, volume, inputs, device=device, label_set=label_set), **options)

    @traitlets.validate("slice")
    def _there(self, proposal: dict[str, Any]) -> int:
        if not 0 <= proposal["value"] < self.data["shape"][0]:
            raise SettingsError(
                f"slice={proposal['value']}: the volume has the slices 0 to {self.data['shape'][0] - 1}."
            )
        return proposal["value"]

    def picture(self) -> Figure:
        """Draw the slice with reference and prediction, and the errors where there are both."""
        from matplotlib import pyplot as plt

        from guided_attention.figures import organ_legend, show_errors, show_slice

        rows, columns = self.data["shape"][1:]
        image = unpack(self.data["phases"][0])[self.slice]
        image = np.kron(image, np.ones((self.data["shrink"],) * 2, np.uint8))[:rows, :columns]
        masks = {name: self._mask(key) for name, key in (("reference", "labels"), ("prediction", "prediction"))}
        given = {name: mask for name, mask in masks.items() if mask is not None}
        label_set = drawn_set(self.data["classes"])
        aspect = self.data["spacing"][1] / self.data["spacing"][2]
        count = 3 if len(given) == 2 else 1
        figure, axes = plt.subplots(1, count, figsize=(3.4 * count, 3.6), layout="constrained", squeeze=False)
        for ax, (name, mask) in zip(axes[0], given.items() or [("", None)], strict=False):
            show_slice(ax, image, mask, title=name, aspect=aspect, label_set=label_set)
        if count == 3:
            show_errors(axes[0, 2], image, masks["prediction"], masks["reference"], title="errors")
        if given:
            organ_legend(figure, errors=count == 3, label_set=label_set)
        return figure

    @property
    def alt(self) -> str:
        """What `picture` shows."""
        masks = [self._mask("labels"), self._mask("prediction")]
        where = f"Slice {self.slice + 1} of {self.data['shape'][0]} of {self.data['subject']}"
        side = "the patient's right is on the picture's left"
        if any(mask is None for mask in masks):
            kinds = [name for name, mask in zip(("reference", "prediction"), masks, strict=True) if mask is not None]
            named = f" with the outlines of the {kinds[0]}" if kinds else ""
            return f"{where}{named}; {side}."
        wrong = masks[0] != masks[1]
        missed = int((wrong & (masks[0] > 0)).sum())
        return (
            f"{where}, three times: with the outlines of the reference, with those of the prediction, and with the "
            f"errors: {missed} pixels missed, {int(wrong.sum()) - missed} invented; {side}."
        )

    def _mask(self, key: str) -> np.ndarray | None:
        return None if self.data[key] is None else unpack(self.data[key])[self.slice]


def _middle(labels: np.ndarray) -> int:
    """Return the middle one of the slices in which most organs are seen; without organs, of all."""
    counts = [len(np.unique(found[found > 0])) for found in labels]
    most = [number for number, count in enumerate(counts) if count == max(counts)]
    return most[len(most) // 2]


def _distances(volume: Volume, predicted: np.ndarray | None, classes: int) -> list[float | None] | None:
    """Mean surface distance of every class in mm, None for background and where there is nothing to measure."""
    if volume.labels is None or predicted is None:
        return None
    found = [
        mean_surface_distance(predicted == value, volume.labels == value, volume.spacing) for value in range(1, classes)
    ]
    return [None, *(None if np.isnan(value) else float(value) for value in found)]
