"""Slices for training: prepared once, augmented anew each time (chapter *From scanner to tensor*)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from guided_attention.data.augmentation import Augmentation, Draw
from guided_attention.data.prepare import fit_in_plane, normalise
from guided_attention.data.volume import Volume
from guided_attention.errors import DataError, SettingsError

__all__ = ["SliceDataset"]


class SliceDataset(Dataset[dict[str, Tensor | str | int]]):
    """All slices of some volumes as a PyTorch data set.

    Volumes are resized and normalised once, here, and kept in memory (256 KiB and a quarter for a slice of 256 x
    256). An item costs only its augmentation. What is drawn follows from seed, epoch and item alone: not from the
    number of worker processes, nor from what was read before.

    Parameters
    ----------
    volumes : sequence of Volume
        With labels.
    size : int
        Rows and columns of an item.
    how : {"crop", "resample"}
        As for `fit_in_plane`.
    augmentation : Augmentation or None
        None leaves slices as they are.
    normalisation : {"percentile", "zscore", "minmax"}
        As for `normalise`; per volume, after it was brought to ``size``.
    seed : int
        Of the augmentation.

    Raises
    ------
    DataError
        If a volume has no labels.
    SettingsError
        If there is no volume, or a setting is unknown.
    """

    def __init__(
        self,
        volumes: Sequence[Volume],
        size: int = 256,
        how: str = "crop",
        augmentation: Augmentation | None = Augmentation(),  # noqa: B008 (frozen)
        normalisation: str = "percentile",
        seed: int = 0,
    ) -> None:
        if not volumes:
            raise SettingsError("volumes: expected at least one, found none.")
        self.size, self.augmentation, self.seed = size, augmentation, seed
        self._images, self._labels, self._places = [], [], []
        for number, volume in enumerate(volumes):
            if volume.labels is None:
                raise DataError(f"subject {volume.subject!r}: expected labels to train with, found none.")
            fitted = fit_in_plane(volume, size, how)
            self._images.append(torch.from_numpy(normalise(fitted.image, normalisation)))  # (D, S, S)
            self._labels.append(torch.from_numpy(np.ascontiguousarray(fitted.labels)))
            self._places += [(number, d) for d in range(len(fitted.image))]
        self._outside = [float(image.min()) for image in self._images]
        self.subjects = tuple(volume.subject for volume in volumes)
        # in shared memory, so that worker processes that live on see it too
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (0 or more) whose random numbers the next items get."""
        self._epoch.fill_(epoch)

    def draw(self, item: int) -> Draw:
        """Draw what happens to an item (0 to ``len(self) - 1``) in this epoch."""
        if self.augmentation is None:
            return Draw()
        return self.augmentation.draw(np.random.default_rng((self.seed, int(self._epoch), item)))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return all slices without augmentation, in the order of items.

        Returns
        -------
        images, labels, outside : Tensor
            float32 (N, S, S), uint8 (N, S, S), and float32 (N,): the grey that a rotation brings in.
        """
        outside = [self._outside[number] for number, _ in self._places]
        return torch.cat(self._images), torch.cat(self._labels), torch.tensor(outside)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, item: int) -> dict[str, Tensor | str | int]:
        """Return one slice.

        Parameters
        ----------
        item : int
            0 to ``len(self) - 1``, or negative to count from the end.

        Returns
        -------
        dict
            ``image``: float32, (1, S, S); ``labels``: int64, (S, S), indices into `CLASSES`; ``subject``: str;
            ``index``: int, number of the slice in its volume, from the feet.
        """
        item = range(len(self))[item]
        number, index = self._places[item]
        image, labels = self._images[number][index], self._labels[number][index]
        if self.augmentation is not None:
            image, labels = self.augmentation.apply(image, labels, self.draw(item), self._outside[number])
        # copies, so that nobody who changes an item changes the slices kept here
        return {"image": image[None].clone(), "labels": labels.long(), "subject": self.subjects[number], "index": index}
