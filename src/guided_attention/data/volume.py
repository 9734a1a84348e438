"""One subject: an image, perhaps its labels, and the size of a voxel (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.errors import DataError

__all__ = ["CLASSES", "ORGANS", "Volume", "require_channels"]

#: CHAOS's class names; the index is the value in ``Volume.labels`` of such a volume.
CLASSES = CHAOS_LABELS.names
#: CHAOS's organs, in the order of the paper's tables.
ORGANS = CHAOS_LABELS.organs


@dataclass(frozen=True, eq=False)
class Volume:
    """A stack of axial slices in radiological orientation.

    Slice 0 is the lowest (towards the feet), row 0 the front of the body, column 0 the patient's right: the array
    runs to *superior, posterior, left*. Shown with row 0 on top, the patient's right is on the picture's left.

    Parameters
    ----------
    image : ndarray, float32, (D, H, W) or (C, D, H, W)
        Grey values as stored in the file; nothing is normalised here. With an axis more where a subject was imaged
        in C = 2 or more ways on one grid (in and out of phase, say): its channels.
    labels : ndarray, uint8, (D, H, W), or None
        Class of each voxel, an index into the names of ``label_set``.
    spacing : tuple of 3 floats
        Distance between voxel centres (dz, dy, dx) in mm.
    subject : str
        Name of the subject.
    affine : ndarray, float64, (4, 4), optional
        Maps array indices (w, h, d, 1) to millimetres in NIfTI's RAS+ world. Kept so that a prediction is written
        back in the geometry of its image; None where the file had none.
    label_set : LabelSet
        What the labels mean; default CHAOS's five classes.
    channel_names : tuple of str
        Of the channels, as data sets call them; empty where nobody said.

    Raises
    ------
    DataError
        If shapes, types or the spacing do not fit each other, or a label is no class of the set.
    """

    image: np.ndarray
    labels: np.ndarray | None
    spacing: tuple[float, float, float]
    subject: str
    affine: np.ndarray | None = None
    label_set: LabelSet = CHAOS_LABELS
    channel_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fits = self.image.ndim == 3 or (self.image.ndim == 4 and len(self.image) > 1)
        wanted = "image must be (D, H, W), or (C, D, H, W) of 2 or more channels"
        self._demand(fits, wanted, f"shape {self.image.shape}")
        named = len(self.channel_names) in (0, self.channels)
        self._demand(named, f"channel_names must be those of {self.channels} channels", ", ".join(self.channel_names))
        self._demand(self.image.dtype == np.float32, "image must be float32", str(self.image.dtype))
        if self.labels is not None:
            self._demand(self.labels.dtype == np.uint8, "labels must be uint8", str(self.labels.dtype))
            self._demand(
                self.labels.shape == self.shape,
                f"labels must have the image's shape {self.shape}",
                f"shape {self.labels.shape}",
            )
            highest, known = int(self.labels.max(initial=0)), len(self.label_set) - 1
            self._demand(highest <= known, f"labels must be classes 0 to {known} ({self.label_set})", str(highest))
        spacing = tuple(float(s) for s in self.spacing)
        ok = len(spacing) == 3 and all(np.isfinite(s) and s > 0 for s in spacing)
        self._demand(ok, "spacing must be three positive numbers (dz, dy, dx) in mm", str(self.spacing))
        object.__setattr__(self, "spacing", spacing)

    def _demand(self, condition: bool, expected: str, found: str) -> None:
        if not condition:
            raise DataError(f"subject {self.subject!r}: {expected}, found {found}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns (D, H, W)."""
        return self.image.shape[-3:]

    @property
    def channels(self) -> int:
        """Number of channels C; 1 for most."""
        return 1 if self.image.ndim == 3 else len(self.image)

    def channel(self, index: int = 0) -> np.ndarray:
        """Return one channel, (D, H, W); the first is the one that is shown."""
        return self.image.reshape(-1, *self.shape)[index]

    def with_labels(self, labels: np.ndarray | None) -> Volume:
        """Return the same volume with other labels of its set, (D, H, W) uint8 (a prediction, say)."""
        return replace(self, labels=labels)

    def in_set(self, label_set: LabelSet) -> Volume:
        """Return the same volume with the classes of another set, matched by name; organs it lacks are background."""
        if label_set == self.label_set or self.labels is None:
            return replace(self, label_set=label_set)
        return replace(self, labels=self.label_set.translate(self.labels, label_set), label_set=label_set)

    def fullest_slice(self) -> int:
        """Return the index of the slice whose smallest organ is largest: all organs are there, and none is a speck.

        Raises
        ------
        DataError
            If the volume has no labels, or no slice shows all organs that the subject has.
        """
        self._demand(self.labels is not None, "fullest_slice needs labels", "none")
        organs = np.unique(self.labels[self.labels > 0])
        sizes = [(self.labels == organ).sum((1, 2)) for organ in organs]
        smallest = np.min(sizes or [np.zeros(len(self.labels), int)], axis=0)
        self._demand(smallest.any(), "fullest_slice needs a slice with all organs", f"classes {organs}, never together")
        return int(smallest.argmax())


def require_channels(volume: Volume, count: int, whose: str) -> None:
    """Raise a `DataError` unless a volume has ``count`` channels, as ``whose`` (for the message) has."""
    if volume.channels != count:
        raise DataError(
            f"subject {volume.subject!r}: expected an image of {count} channels, as {whose}, found "
            f"{volume.channels}{_listed(volume.channel_names)}."
        )


def _listed(names: tuple[str, ...]) -> str:
    return f" ({', '.join(names)})" if names else ""
