"""Slices for training: prepared once, augmented anew each time (chapter *From scanner to tensor*)."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from guided_attention.data.augmentation import Augmentation, Draw, as_tensor, augment
from guided_attention.data.prepare import InputSettings
from guided_attention.data.variation import Variation
from guided_attention.data.volume import Volume, require_channels
from guided_attention.errors import DataError, DataWarning, SettingsError

__all__ = ["SliceDataset"]

#: Largest share of the memory, the machine's or the GPU's, that the slices may take.
_SHARE = 0.5


class SliceDataset(Dataset[dict[str, Tensor | str | int]]):
    """All slices of some volumes, prepared once, here, and kept in memory; `to` moves them to the network's device.

    A slice of 256 x 256 takes 320 KiB, if it has one channel: 20 subjects of 36 slices 236 MB, 200 subjects 2.4 GB.
    Slices that would take more than half of the memory go into a temporary file in ``scratch`` instead, which is mapped
    into memory: the operating system keeps as many of them at hand as there is room for.

    What an augmentation draws follows from seed, epoch and item alone, not from what was read before.

    Parameters
    ----------
    volumes : sequence of Volume
        With labels.
    inputs : InputSettings
        How a volume becomes slices.
    augmentation : Augmentation, Variation or None
        None leaves slices as they are.
    seed : int
        Of the augmentation.
    scratch : path, optional
        Where a temporary file may be; default the system's folder for those.

    Raises
    ------
    DataError
        If a volume has no labels, or other channels than the first.
    SettingsError
        If there is no volume.

    Warns
    -----
    DataWarning
        If a crop cuts off more than 1 % of an organ.
    """

    def __init__(
        self,
        volumes: Sequence[Volume],
        inputs: InputSettings = InputSettings(),  # noqa: B008 (frozen)
        augmentation: Augmentation | Variation | None = Augmentation(),  # noqa: B008 (frozen)
        seed: int = 0,
        scratch: str | Path | None = None,
    ) -> None:
        if not volumes:
            raise SettingsError("volumes: expected at least one, found none.")
        self.augmentation, self.seed, self._epoch = augmentation, seed, 0
        self.places = [(volume.subject, index) for volume in volumes for index in range(volume.shape[0])]
        first = next(iter(volumes))  # some sequences only tell their length and are gone through
        channels, shape = first.channels, (len(self.places), inputs.size, inputs.size)
        mapped = (4 * channels + 1) * int(np.prod(shape)) > _SHARE * _memory()
        images = _array((shape[0], channels, *shape[1:]), np.float32, mapped, scratch)
        labels = _array(shape, np.uint8, mapped, scratch)
        outside, start = [], 0
        for volume in volumes:
            if volume.labels is None:
                raise DataError(f"subject {volume.subject!r}: expected labels to train with, found none.")
            require_channels(volume, channels, f"that of subject {first.subject!r}")
            lost = inputs.lost_organs(volume)
            if lost:
                warnings.warn(f"subject {volume.subject!r}: {lost}.", DataWarning, stacklevel=2)
            fitted = inputs.prepare(volume)
            end, planes = start + fitted.shape[0], fitted.image.reshape(channels, *fitted.shape)
            images[start:end], labels[start:end] = planes.swapaxes(0, 1), fitted.labels
            outside += [planes.min(axis=(1, 2, 3)).tolist()] * fitted.shape[0]
            start = end
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)  # (N, C, S, S), (N, S, S)
        self.outside = torch.tensor(outside)  # (N, C), the greys that a rotation brings in

    def to(self, device: str | torch.device) -> SliceDataset:
        """Move the slices to a device, unless they would take more than half of a GPU's free memory; return self."""
        device = torch.device(device)
        size = self.images.nbytes + self.labels.nbytes
        if device.type != "cuda" or size <= _SHARE * torch.cuda.mem_get_info(device)[0]:
            self.images, self.labels = self.images.to(device), self.labels.to(device)
            self.outside = self.outside.to(device)
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (0 or more) whose random numbers the next items get."""
        self._epoch = epoch

    def draw(self, item: int) -> Draw:
        """Draw what an `Augmentation` does to an item (0 to ``len(self) - 1``) in this epoch."""
        if not isinstance(self.augmentation, Augmentation):
            return Draw()
        return self.augmentation.draw(np.random.default_rng((self.seed, self._epoch, item)))

    def batches(
        self, order: Iterable[Sequence[int]], device: str | torch.device | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of items, augmented together, where the slices are or on another device.

        Nothing is copied per step if the slices are on that device: order and draws of all batches go there in one
        piece. On a GPU a rotated slice may differ from a processor's in its last digits.

        Parameters
        ----------
        order : iterable of sequences of int
            Items of each batch, all equally many.
        device : str or torch.device, optional

        Yields
        ------
        images, labels : Tensor
            float32 (B, C, S, S), and int64 (B, S, S), classes as in ``Volume.labels``.
        """
        home, order = self.images.device, list(order)
        device = home if device is None else torch.device(device)
        drawn = torch.stack([as_tensor([self.draw(item) for item in items]) for items in order])  # (steps, 5, B)
        for items, moves in zip(torch.tensor(order).to(home), drawn.to(device), strict=True):
            image, labels, outside = (t[items].to(device) for t in (self.images, self.labels, self.outside))
            if isinstance(self.augmentation, Augmentation):
                image, labels = augment(image, labels, moves, outside)
            elif self.augmentation is not None:
                seeds = ((self.seed, self._epoch, int(item)) for item in items)
                varied = [self.augmentation.vary(*one) for one in zip(image, labels, seeds, strict=True)]
                image, labels = (torch.stack(parts) for parts in zip(*varied, strict=True))
            yield image, labels.long()

    def shown(self) -> list[np.ndarray]:
        """Return, for each organ that any slice shows, the items that show it."""
        there = [np.unique(labels) for labels in self.labels.cpu().numpy()]
        organs = sorted({int(value) for values in there for value in values if value})
        return [np.array([item for item, values in enumerate(there) if organ in values]) for organ in organs]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, item: int) -> dict[str, Tensor | str | int]:
        """Return one slice: a batch of one.

        Parameters
        ----------
        item : int
            0 to ``len(self) - 1``, or negative to count from the end.

        Returns
        -------
        dict
            ``image``: float32, (C, S, S); ``labels``: int64, (S, S), classes as in ``Volume.labels``; ``subject``: str;
            ``index``: int, number of the slice in its volume, from the feet.
        """
        item = range(len(self))[item]
        ((image, labels),) = self.batches([[item]])
        subject, index = self.places[item]
        return {"image": image[0], "labels": labels[0], "subject": subject, "index": index}


def _array(shape: tuple[int, ...], kind: type, mapped: bool, scratch: str | Path | None) -> np.ndarray:
    if not mapped:
        return np.empty(shape, kind)
    if scratch is not None:
        Path(scratch).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as file:  # has no name: it goes when nobody maps it any more
        return np.memmap(file, kind, "w+", shape=shape)


def _memory() -> float:
    """Bytes of memory that this process may use: of the machine, or of its control group where that has less."""
    known = [float("inf")]
    with suppress(AttributeError, ValueError, OSError):  # not every system tells
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(ValueError, OSError):
        known.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(known)
