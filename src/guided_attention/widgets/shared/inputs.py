"""One slice for a widget: what the network gets, what the reader sees, and the size of a pixel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from guided_attention.data import CHAOS_LABELS, InputSettings, LabelSet, Volume
from guided_attention.errors import SettingsError
from guided_attention.evaluation.predict import evaluating

__all__ = [
    "Slice",
    "array_of",
    "as_slice",
    "class_list",
    "device_of",
    "drawn_set",
    "foreground",
    "grey_values",
    "middle_of",
    "place_of",
    "predicted",
]

_FAMILY = re.compile(r"scales\.(\d+)\.steps\.(\d+)\.")

#: Of classes beyond the set.
_FURTHER = ("#F0E442", "#D55E00", "#0072B2")


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice, as a network gets it.

    Parameters
    ----------
    x : Tensor of float32, (1, C, H, W)
        The network's input.
    labels : ndarray of uint8, (H, W), or None
        Classes, as in ``Volume.labels``.
    spacing : (dy, dx) or None
        Size of a pixel in mm; None: unknown.
    label_set : LabelSet
        What the labels mean.
    """

    x: Tensor
    labels: np.ndarray | None = None
    spacing: tuple[float, float] | None = None
    label_set: LabelSet = CHAOS_LABELS


def as_slice(
    image: Volume | Slice | np.ndarray | Tensor,
    labels: np.ndarray | Tensor | None = None,
    inputs: InputSettings | None = None,
    *,
    index: int | None = None,
    spacing: tuple[float, float] | None = None,
    label_set: LabelSet = CHAOS_LABELS,
) -> Slice:
    """Make a `Slice` of what somebody has at hand.

    Parameters
    ----------
    image : Volume, Slice, or array
        A volume is prepared as for training. An array (H, W), (C, H, W) or (1, C, H, W) is taken as the network's
        input.
    labels : array, (H, W), optional
        Classes, as in ``Volume.labels``; a volume brings its own.
    inputs : InputSettings, optional
        How a volume is prepared; default: padded to the larger side of its matrix.
    index : int, optional
        Slice of the volume; default the one with the most organ pixels, or the middle.
    spacing : (dy, dx), optional
        Size of a pixel of an array, in mm.
    label_set : LabelSet
        What the labels of an array mean, and what a network that gets it tells apart; a volume brings its own.

    Raises
    ------
    SettingsError
        If the shapes do not fit, there is no such slice, or these are no numbers or no classes.
    """
    if isinstance(image, Slice):
        return image
    if isinstance(image, Volume):
        fitted = (inputs or InputSettings(max(image.shape[1:]))).prepare(image)
        if index is None:
            index = fitted.shape[0] // 2 if fitted.labels is None else int((fitted.labels > 0).sum((1, 2)).argmax())
        if not -fitted.shape[0] <= index < fitted.shape[0]:
            raise SettingsError(f"index={index}: {image.subject} has {fitted.shape[0]} slices.")
        own = None if fitted.labels is None else fitted.labels[index]
        x = torch.from_numpy(np.ascontiguousarray(fitted.image.reshape(-1, *fitted.shape)[:, index]))  # (C, H, W)
        return Slice(x[None], own, fitted.spacing[1:], image.label_set)
    # Copied if need be: PyTorch shares no memory that is flipped, big-endian or read-only.
    x = torch.from_numpy(np.require(array_of("image", image), np.float32, "CW"))
    while x.ndim < 4:
        x = x[None]
    if x.ndim != 4 or x.shape[0] != 1:
        raise SettingsError(f"image: expected one slice, (H, W), (C, H, W) or (1, C, H, W), found {tuple(x.shape)}.")
    if labels is not None:
        labels = array_of("labels", labels)
        if labels.shape != tuple(x.shape[2:]):
            raise SettingsError(f"labels: expected {tuple(x.shape[2:])}, as the image, found {labels.shape}.")
        if labels.min() < 0 or labels.max() > 255:
            raise SettingsError(f"labels: expected classes from 0 to 255, found {labels.min()} to {labels.max()}.")
        labels = labels.astype(np.uint8, order="C")
    return Slice(x, labels, spacing, label_set)


def array_of(name: str, given: np.ndarray | Tensor) -> np.ndarray:
    """Return the numbers of a tensor on any device, an array or lists; ``name`` stands in the error if none are."""
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        given = given.float() if given.dtype == torch.bfloat16 else given  # NumPy has no such type
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise SettingsError(f"{name}: expected an array of numbers, found one of {array.dtype}.")
    return array


def grey_values(x: Tensor | np.ndarray) -> np.ndarray:
    """Return an image (H, W) as uint8: black is its minimum, white its 99.5th percentile, as in the figures."""
    x = np.asarray(x, dtype=np.float64)
    low, high = float(x.min()), float(np.percentile(x, 99.5))
    return np.round(255 * np.clip((x - low) / (high - low or 1.0), 0, 1)).astype(np.uint8)


def foreground(grey: np.ndarray) -> np.ndarray:
    """Return what is patient and not air, bool: a tenth of white or more; ``grey`` as `grey_values` returns it."""
    return grey > 25


@torch.no_grad()
def predicted(model: nn.Module, x: Tensor) -> np.ndarray | None:
    """Return a network's classes for one slice, uint8 (H, W); None where its output is no map of classes."""
    with evaluating(model):
        output = model(x.to(device_of(model)))
    logits = getattr(output, "logits", output)
    if not isinstance(logits, Tensor) or logits.shape[2:] != x.shape[2:] or not 2 <= logits.shape[1] <= 256:
        return None
    return logits[0].argmax(0).to("cpu", torch.uint8).numpy()


def device_of(model: nn.Module) -> torch.device:
    """Where a network's parameters are; one without any is on the CPU."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def place_of(path: str, number: int) -> tuple[bool, int, int, str | None]:
    """Return where an attention module is: (in a network of the family?, scale, step, words).

    Parameters
    ----------
    path : str
        Its name in ``model.named_modules()``.
    number : int
        How many came before it: its "scale" in other networks, where ``words`` is its name.
    """
    match = _FAMILY.match(path)
    return (True, int(match[1]), int(match[2]) + 1, None) if match else (False, number, 1, path or "attention")


def class_list(*labels: np.ndarray | None, label_set: LabelSet = CHAOS_LABELS) -> list[dict[str, Any]]:
    """Return name and colour of every class that may occur, background first: organs as in the figures."""
    most = max((int(found.max()) for found in labels if found is not None), default=0)
    names = [name.replace("_", " ") for name in label_set.names]
    colours = [*label_set.colours]
    for value in range(len(names), most + 1):
        names.append(f"class {value}")
        colours.append(_FURTHER[value % len(_FURTHER)])
    return [{"name": name, "colour": colour} for name, colour in zip(names, colours, strict=True)]


def drawn_set(classes: list[dict[str, Any]]) -> LabelSet:
    """Return the label set that `class_list` made a list of, as far as a picture needs it."""
    names, colours = (tuple(one[key] for one in classes) for key in ("name", "colour"))
    return LabelSet(names, colours=colours)


def middle_of(labels: np.ndarray | None, size: tuple[int, int]) -> tuple[int, int]:
    """Return the organ pixel nearest to the middle of the largest organ; without organs the middle of the slice."""
    if labels is None or not labels.any():
        return size[0] // 2, size[1] // 2
    largest = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    places = np.argwhere(labels == largest)
    nearest = places[((places - places.mean(0)) ** 2).sum(1).argmin()]
    return int(nearest[0]), int(nearest[1])
