"""What can be read but should be looked at: blank images, empty labels, organs outside the crop."""

from __future__ import annotations

import numpy as np

from guided_attention.data.prepare import InputSettings
from guided_attention.data.volume import Volume

__all__ = ["oddities"]


def oddities(volume: Volume, inputs: InputSettings | None) -> list[str]:
    """Return a sentence for each thing that is odd about a volume, whose files are all in order.

    Parameters
    ----------
    volume : Volume
        As read.
    inputs : InputSettings or None
        How it would be prepared; None if that is not known.
    """
    found = []
    blank = np.ptp(volume.image, axis=(1, 2)) == 0
    if np.ptp(volume.image) == 0:
        found.append(f"the image is blank: every voxel is {volume.image.flat[0]:g}")
    elif volume.labels is not None and volume.labels[blank].any():  # scanners pad with blank slices, without organs
        found.append(f"organs are labelled in blank slices ({np.flatnonzero(blank)} from the feet, counted from 0)")
    if volume.labels is not None and not volume.labels.any():
        found.append("the labels hold no organ, only background")
    lost = "" if inputs is None else inputs.lost_organs(volume)
    return found + ([lost] if lost else [])
