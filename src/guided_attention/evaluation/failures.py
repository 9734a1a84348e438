"""What kind of error each wrong voxel is (chapter *Looking at the masks*).

A Dice coefficient counts wrong voxels. The functions here say what they are: every voxel whose predicted class is
not the reference's gets exactly one of the `KINDS`, the first in this order that fits:

=============  =====================================================================================================
kind           a voxel that
=============  =====================================================================================================
``sides``      belongs to an organ and was given to its mirror image: to one kidney, and was given to the other
``neighbour``  belongs to one organ and was given to another, mirror images apart
``island``     was given to an organ by a connected component that shares no voxel with that organ
``ends``       lies in a slice in which the organ is only in the reference (it was missed there), or only predicted
``edge``       was missed or invented at most 2 pixels from the organ's outline in its slice
``deep``       was missed or invented farther from it
=============  =====================================================================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.errors import DataError, SettingsError

__all__ = ["KINDS", "classify_errors", "confusion", "edge_distance", "islands", "largest_components", "overlap_along"]

#: Kinds of error; `classify_errors` writes 1 for the first, 2 for the second, and so on.
KINDS: tuple[str, ...] = ("sides", "neighbour", "island", "ends", "edge", "deep")


def classify_errors(
    pred: NDArray[np.integer], ref: NDArray[np.integer], edge: float = 2.0, label_set: LabelSet = CHAOS_LABELS
) -> NDArray[np.uint8]:
    """Give every wrong voxel its kind.

    Parameters
    ----------
    pred, ref : ndarray of int, (D, H, W)
        Predicted and reference classes.
    edge : float
        How far from the outline an error still is one of the ``edge``, in pixels (see `edge_distance`).
    label_set : LabelSet
        Of both.

    Returns
    -------
    ndarray, uint8, (D, H, W)
        0 where the class is right, else 1 + the place of the kind in `KINDS`.

    Raises
    ------
    DataError
        If the arrays are not volumes of classes of one shape.
    """
    _check(pred, ref, label_set)
    kinds = np.zeros(ref.shape, np.uint8)
    code = {name: value for value, name in enumerate(KINDS, start=1)}
    for organ in range(1, len(label_set)):
        a, b = pred == organ, ref == organ
        wrong = (a & (ref == 0)) | (b & (pred == 0))
        kinds[wrong] = code["deep"]
        kinds[wrong & (edge_distance(b) <= edge)] = code["edge"]
        one_only = a.any(axis=(1, 2)) != b.any(axis=(1, 2))
        kinds[wrong & one_only[:, None, None]] = code["ends"]
        kinds[wrong & islands(a, b)] = code["island"]
    taken = (pred != ref) & (pred > 0) & (ref > 0)
    kinds[taken] = code["neighbour"]
    for pair in label_set.mirrored:
        sides = [label_set.index(organ) for organ in pair]
        kinds[taken & np.isin(pred, sides) & np.isin(ref, sides)] = code["sides"]
    return kinds


def edge_distance(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how far every pixel is from the other side of the outline, in pixels, slice by slice.

    A pixel at the outline has distance 1, inside as outside: that is how far the next pixel of the other side is.
    Slices count alone, because the next one is several pixels away.

    Parameters
    ----------
    mask : ndarray, bool, (D, H, W)

    Returns
    -------
    ndarray, float64, (D, H, W)
        Infinite in slices in which the mask is empty or full: they have no outline.
    """
    distance = np.full(mask.shape, np.inf)
    for index, inside in enumerate(mask):
        if inside.any() and not inside.all():
            to_outside = ndimage.distance_transform_edt(inside)
            distance[index] = np.where(inside, to_outside, ndimage.distance_transform_edt(~inside))
    return distance


def islands(pred: NDArray[np.bool_], ref: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the connected components of a predicted mask that share no voxel with the reference.

    Connected across faces, edges and corners (26 neighbours), so that nothing is cut off by a diagonal step.

    Parameters
    ----------
    pred, ref : ndarray, bool, (D, H, W)
    """
    parts, _ = ndimage.label(pred, structure=np.ones((3, 3, 3)))
    return pred & ~np.isin(parts, np.unique(parts[pred & ref]))


def largest_components(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """Keep of every organ its largest connected component (26 neighbours); the rest becomes background.

    It looks at the prediction alone, so it can be applied where there is no reference.

    Parameters
    ----------
    labels : ndarray of int, (D, H, W)
        Predicted classes; not changed.

    Returns
    -------
    ndarray of the same type, (D, H, W)
    """
    kept = np.zeros_like(labels)
    for organ in range(1, int(labels.max(initial=0)) + 1):
        parts, count = ndimage.label(labels == organ, structure=np.ones((3, 3, 3)))
        if count:
            kept[parts == 1 + np.bincount(parts.ravel())[1:].argmax()] = organ
    return kept


def confusion(
    pred: NDArray[np.integer], ref: NDArray[np.integer], label_set: LabelSet = CHAOS_LABELS
) -> NDArray[np.int64]:
    """Count voxels by class: row is the reference, column the prediction, (K, K) for the K classes of the set.

    Raises
    ------
    DataError
        If the arrays are not volumes of classes of one shape.
    """
    _check(pred, ref, label_set)
    k = len(label_set)
    return np.bincount((ref.astype(np.int64) * k + pred).ravel(), minlength=k * k).reshape(k, k)


def overlap_along(pred: NDArray[np.bool_], ref: NDArray[np.bool_], bins: int = 5) -> NDArray[np.int64]:
    """Count what Dice needs by where a slice lies in the organ, from its lowest slice to its highest.

    Sum the result over subjects, then the first column divided by the second is the Dice coefficient of that part.

    Parameters
    ----------
    pred, ref : ndarray, bool, (D, H, W)
    bins : int
        Parts of equal length between the reference's first slice and its last.

    Returns
    -------
    ndarray of int, (bins, 2)
        Twice the common voxels, and the sum of both sizes. Voxels predicted in slices before the organ count in the
        first part, those after it in the last.

    Raises
    ------
    SettingsError
        If there is not one part at least.
    DataError
        If the reference is empty: then there is no first slice.
    """
    if bins < 1:
        raise SettingsError(f"bins={bins}: there must be one part at least.")
    present = np.flatnonzero(ref.any(axis=(1, 2)))
    if not present.size:
        raise DataError("ref: the organ is in no slice; there is nothing to lie along.")
    first, last = present[0], present[-1]
    middle = (np.arange(len(ref)) - first + 0.5) / (last - first + 1)
    part = np.clip((middle * bins).astype(int), 0, bins - 1)
    twice = 2 * np.count_nonzero(pred & ref, axis=(1, 2))
    sizes = np.count_nonzero(pred, axis=(1, 2)) + np.count_nonzero(ref, axis=(1, 2))
    return np.stack([np.bincount(part, values, bins) for values in (twice, sizes)], axis=1).astype(np.int64)


def _check(pred: NDArray[np.integer], ref: NDArray[np.integer], label_set: LabelSet) -> None:
    if pred.ndim != 3 or pred.shape != ref.shape:
        raise DataError(f"pred and ref: expected volumes (D, H, W) of one shape, found {pred.shape} and {ref.shape}.")
    for name, labels in (("pred", pred), ("ref", ref)):
        if not np.issubdtype(labels.dtype, np.integer) or (
            labels.size and (labels.min() < 0 or labels.max() >= len(label_set))
        ):
            raise DataError(f"{name}: expected classes 0 to {len(label_set) - 1}, found {labels.dtype} beyond them.")
