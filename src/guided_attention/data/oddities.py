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
    channels = [volume.channel(index) for index in range(volume.channels)]
    blank = np.all([np.ptp(channel, axis=(1, 2)) == 0 for channel in channels], axis=0)
    empty = [index for index, channel in enumerate(channels) if np.ptp(channel) == 0]
    for index in empty:
        what = "the image" if volume.channels == 1 else f"channel {index} of the image"
        found.append(f"{what} is blank: every voxel is {channels[index].flat[0]:g}")
    if not empty and volume.labels is not None and volume.labels[blank].any():  # scanners pad with blank ones
        found.append(f"organs are labelled in blank slices ({np.flatnonzero(blank)} from the feet, counted from 0)")
    if volume.labels is not None and not volume.labels.any():
        found.append("the labels hold no organ, only background")
    lost = "" if inputs is None else inputs.lost_organs(volume)
    return found + ([lost] if lost else [])
