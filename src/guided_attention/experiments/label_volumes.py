"""Predicted label volumes in one small file, so that masks can be looked at without the network that made them.

Chapter *Looking at the masks* reads the files that lie beside the records of synthetic data. Masks of patients stay
in the folder of their run.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from guided_attention.errors import DataError
from guided_attention.files import write_bytes

__all__ = ["masks_path", "read_masks", "write_masks"]


def masks_path(record: str | Path) -> Path:
    """Return where the masks of a record lie: beside it, ``foldK-seedS.npz``."""
    return Path(record).with_suffix(".npz")


def write_masks(path: str | Path, predictions: Mapping[str, np.ndarray]) -> Path:
    """Write label volumes by subject, completely or not at all; the same masks give the same bytes.

    Parameters
    ----------
    path : path
        Ending in ``.npz``.
    predictions : mapping from subject to array, uint8 (D, H, W)

    Raises
    ------
    DataError
        If there is no subject, or an array is not a uint8 volume.
    """
    if not predictions:
        raise DataError(f"{path}: no predictions were given.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for subject, labels in sorted(predictions.items()):
            if labels.ndim != 3 or labels.dtype != np.uint8:
                raise DataError(
                    f"subject {subject!r}: expected labels (D, H, W) of uint8, found {labels.dtype} {labels.shape}."
                )
            array = io.BytesIO()
            np.lib.format.write_array(array, np.ascontiguousarray(labels), allow_pickle=False)
            # A fixed date: an archive of the same masks must be the same file.
            archive.writestr(zipfile.ZipInfo(f"{subject}.npy"), array.getvalue(), zipfile.ZIP_DEFLATED)
    return write_bytes(Path(path), buffer.getvalue())


def read_masks(path: str | Path) -> dict[str, np.ndarray]:
    """Read what `write_masks` wrote: subject -> uint8 (D, H, W).

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {subject: archive[subject] for subject in archive.files}
    except FileNotFoundError:
        raise DataError(f"{path}: there are no masks. `guided-attention train` writes them into its run.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a file of masks ({error}).") from error
