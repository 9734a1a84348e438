"""Which slices make a batch, and batches that live where the network does (chapter *Training the network*)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torch.utils.data import DataLoader, Sampler

from guided_attention.data.augmentation import Draw
from guided_attention.data.slices import SliceDataset
from guided_attention.errors import SettingsError

__all__ = ["DeviceBatches", "EpochBatches", "as_tensor", "augment", "make_loader"]


class EpochBatches(Sampler[list[int]]):
    """Shuffled batches that depend on seed and epoch alone; an incomplete last batch is left out.

    Left out, because batch norm over one or two slices would disturb the statistics of all; another shuffle brings
    them in. With several processes each takes its part of every batch, so that all together see the same batches as
    one would.

    Parameters
    ----------
    count : int
        Number of slices.
    batch_size : int
        Slices in a batch over all processes; if fewer slices exist, they make one batch.
    seed : int
        Of the shuffle.
    rank, world : int
        This process and the number of processes.

    Raises
    ------
    SettingsError
        If the batch, or all slices where they are fewer, cannot be divided among the processes.
    """

    def __init__(self, count: int, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if batch_size % world:
            raise SettingsError(f"batch_size={batch_size} cannot be divided among {world} devices.")
        if count < world:
            raise SettingsError(f"{count} slices are too few for {world} devices.")
        self.count, self.size, self.seed = count, min(batch_size, count), seed
        self.rank, self.world, self.epoch = rank, world, 0

    def __len__(self) -> int:
        return self.count // self.size

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        for start in range(0, len(self) * self.size, self.size):
            yield order[start : start + self.size][self.rank :: self.world].tolist()


class DeviceBatches:
    """The batches of a `SliceDataset`, with all slices kept on the device and augmented there, a batch at a time.

    Nothing is copied per step: an epoch's order and draws go to the device in one piece at its start. The draws are
    those of the data set itself, from seed, epoch and slice. On a processor the batches are those of a `DataLoader`,
    bit for bit; on a GPU a rotated slice may differ in the last digits, because its interpolation rounds differently.

    Parameters
    ----------
    data : SliceDataset
        Its `set_epoch` counts here too.
    batches : EpochBatches
        Which slices make a batch.
    device : torch.device
        13 subjects of 36 slices of 256 x 256 take 150 MB there.
    """

    def __init__(self, data: SliceDataset, batches: EpochBatches, device: str | torch.device) -> None:
        self.data, self.batches, self.device = data, batches, torch.device(device)
        self.images, self.labels, self.outside = (tensor.to(self.device) for tensor in data.tensors())

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield ``image``, float32 (B, 1, S, S), and ``labels``, int64 (B, S, S)."""
        chosen = list(self.batches)
        order = torch.tensor(chosen).to(self.device)  # (steps, B)
        draws = [[self.data.draw(item) for item in batch] for batch in chosen]
        moves = torch.stack([as_tensor(batch) for batch in draws]).to(self.device)  # (steps, 5, B)
        for items, move in zip(order, moves, strict=True):
            image, labels = self.images[items], self.labels[items]
            if self.data.augmentation is not None:
                image, labels = augment(image, labels, move, self.outside[items])
            yield {"image": image[:, None], "labels": labels.long()}


def make_loader(
    data: SliceDataset, batches: EpochBatches, device: torch.device, workers: int = 0, resident: bool = False
) -> DataLoader | DeviceBatches:
    """Return what yields the batches of an epoch: from memory, with ``workers`` processes, or kept on the device."""
    if resident:
        return DeviceBatches(data, batches, device)
    return DataLoader(data, batch_sampler=batches, num_workers=workers, pin_memory=device.type == "cuda")


def as_tensor(draws: Sequence[Draw]) -> Tensor:
    """Draws as `augment` takes them: float32 (5, B): rotated or not, cosine, sine, mirrored in columns, in rows."""
    rows = [
        (bool(d.angle), math.cos(math.radians(d.angle)), math.sin(math.radians(d.angle)), d.horizontal, d.vertical)
        for d in draws
    ]
    return torch.tensor(rows, dtype=torch.float32).T


def augment(image: Tensor, labels: Tensor, moves: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
    """Do to each slice of a batch what was drawn for it: `Augmentation.apply` without a loop.

    Every slice is rotated and mirrored, and what was not drawn is thrown away: on a GPU that costs less than asking
    which slices need it.

    Parameters
    ----------
    image : Tensor, float32, (B, S, S)
        Interpolated linearly.
    labels : Tensor, uint8, (B, S, S)
        Nearest neighbour.
    moves : Tensor, (5, B)
        From `as_tensor`.
    outside : Tensor, (B,)
        Grey of what a rotation brings in from outside the picture; its label is background.

    Returns
    -------
    image, labels : Tensor, (B, S, S)
        Of the same types.
    """
    rotated, cosine, sine, horizontal, vertical = moves[:, :, None, None]
    places = (torch.arange(image.shape[-1], device=image.device) * 2 + 1) / image.shape[-1] - 1
    row, column = places[:, None], places[None, :]
    # rows run downwards, so counter-clockwise on the screen is this sign
    grid = torch.stack((cosine * column - sine * row, sine * column + cosine * row), dim=-1)  # (B, S, S, 2)
    grey = outside[:, None, None]
    turned = _sample(image - grey, grid, "bilinear") + grey
    image = torch.where(rotated > 0, turned, image)
    labels = torch.where(rotated > 0, _sample(labels.to(image.dtype), grid, "nearest").to(labels.dtype), labels)
    for axis, wanted in ((-1, horizontal), (-2, vertical)):
        image = torch.where(wanted > 0, image.flip(axis), image)
        labels = torch.where(wanted > 0, labels.flip(axis), labels)
    return image, labels


def _sample(pictures: Tensor, grid: Tensor, mode: str) -> Tensor:
    return grid_sample(pictures[:, None], grid, mode=mode, padding_mode="zeros", align_corners=False)[:, 0]
