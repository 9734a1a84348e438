"""What a volume holds, in sixteen characters: how a run knows its data again (chapter *Training the network*).

Names do not tell data apart: the folders ``siteA/nifti`` and ``siteB/nifti`` have the same, and so has a label file
before and after somebody corrected it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from guided_attention.data.labels import CHAOS_LABELS
from guided_attention.data.volume import Volume

__all__ = ["Fingerprint", "digests_of", "fingerprint", "set_digest", "volume_digest"]

#: Characters of a digest, 4 bits each: two volumes that differ share one by an accident of 1 in 2e19.
_LENGTH = 16


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of a volume to know it again.

    Parameters
    ----------
    digest : str
        From `volume_digest`.
    shape : tuple of 3 ints
        Slices, rows and columns (D, H, W).
    voxels : tuple of int
        Number of voxels of each label value, from 0 on; empty without labels. The records made before there were
        digests hold these numbers.
    """

    digest: str
    shape: tuple[int, int, int]
    voxels: tuple[int, ...]


def volume_digest(volume: Volume) -> str:
    """Return the digest of a volume's content: its shape, spacing, grey values, and labels if it has some.

    It is taken of numbers as they are after decoding, not of files: of float32 grey values and spacing in mm, and of
    uint8 labels, all little-endian, in the order of the array. So it is the same on every machine, and whether a file
    was compressed, renamed, copied, or written in another format. Names of subject and channels are no part of it, nor
    is the affine, on which neither training nor scores depend. Which sequence or phase was read shows in the grey
    values. Where the labels are of another set than CHAOS's, the names of its classes are part of it.

    Parameters
    ----------
    volume : Volume

    Returns
    -------
    str
        The first 16 hexadecimal digits of a SHA-256.
    """
    found = hashlib.sha256(np.array([*volume.image.shape, volume.labels is not None], "<u4").tobytes())
    found.update(np.array(volume.spacing, "<f4").tobytes())
    found.update(np.ascontiguousarray(volume.image, "<f4"))
    if volume.labels is not None:
        found.update(np.ascontiguousarray(volume.labels))
        if volume.label_set.names != CHAOS_LABELS.names:
            found.update("\0".join(volume.label_set.names).encode())
    return found.hexdigest()[:_LENGTH]


def fingerprint(volume: Volume) -> Fingerprint:
    """Return digest, shape and label counts of a volume."""
    counts = () if volume.labels is None else np.bincount(volume.labels.ravel()).tolist()
    return Fingerprint(volume_digest(volume), volume.shape, tuple(counts))


def digests_of(volumes: Iterable[Volume]) -> dict[str, str]:
    """Return subject -> digest; several volumes of one subject (two phases, say) give theirs in order, with ``+``."""
    found: dict[str, str] = {}
    for volume in volumes:
        digest = volume_digest(volume)
        found[volume.subject] = f"{found[volume.subject]}+{digest}" if volume.subject in found else digest
    return found


def set_digest(digests: Mapping[str, str]) -> str:
    """Return the digest of a whole set, from subject -> digest: of names and contents, whatever their order."""
    lines = "".join(f"{subject}\0{digest}\n" for subject, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:_LENGTH]
