"""One subject: an image, perhaps its labels, and the size of a voxel (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from guided_attention.errors import DataError

__all__ = ["CLASSES", "ORGANS", "Volume"]

#: Class names; the index is the value in ``Volume.labels``.
CLASSES = ("background", "liver", "kidney_right", "kidney_left", "spleen")
#: The organs, in the order of the paper's tables (class values 1 to 4).
ORGANS = CLASSES[1:]


@dataclass(frozen=True, eq=False)
class Volume:
    """A stack of axial slices in radiological orientation.

    Slice 0 is the lowest (towards the feet), row 0 the front of the body, column 0 the patient's right: the array
    runs to *superior, posterior, left*. Shown with row 0 on top, the patient's right is on the picture's left.

    Parameters
    ----------
    image : ndarray, float32, (D, H, W)
        Grey values as stored in the file; nothing is normalised here.
    labels : ndarray, uint8, (D, H, W), or None
        Class of each voxel, an index into `CLASSES`.
    spacing : tuple of 3 floats
        Distance between voxel centres (dz, dy, dx) in mm.
    subject : str
        Name of the subject.
    affine : ndarray, float64, (4, 4), optional
        Maps array indices (w, h, d, 1) to millimetres in NIfTI's RAS+ world. Kept so that a prediction is written
        back in the geometry of its image; None where the file had none.

    Raises
    ------
    DataError
        If shapes, types or the spacing do not fit each other.
    """

    image: np.ndarray
    labels: np.ndarray | None
    spacing: tuple[float, float, float]
    subject: str
    affine: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._demand(self.image.ndim == 3, "image must be (D, H, W)", f"shape {self.image.shape}")
        self._demand(self.image.dtype == np.float32, "image must be float32", str(self.image.dtype))
        if self.labels is not None:
            self._demand(self.labels.dtype == np.uint8, "labels must be uint8", str(self.labels.dtype))
            self._demand(
                self.labels.shape == self.image.shape,
                f"labels must have the image's shape {self.image.shape}",
                f"shape {self.labels.shape}",
            )
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
        return self.image.shape

    def with_labels(self, labels: np.ndarray | None) -> Volume:
        """Return the same volume with other labels, (D, H, W) uint8 (a prediction, say)."""
        return replace(self, labels=labels)

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
