"""Which slices make a batch (chapter *Training the network*)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from guided_attention.errors import SettingsError

__all__ = ["EpochBatches"]


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
    balance : float
        Chance, for each place in a batch, that an organ is drawn first, all alike, and then one of the slices that
        show it: an organ that few slices show is seen as often as one that many do. 0 leaves the shuffle as it is.
    shown : sequence of arrays of int
        For each organ the slices that show it.

    Raises
    ------
    SettingsError
        If the batch, or all slices where they are fewer, cannot be divided among the processes.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        balance: float = 0.0,
        shown: Sequence[np.ndarray] = (),
    ) -> None:
        if batch_size % world:
            raise SettingsError(f"batch_size={batch_size} cannot be divided among {world} devices.")
        if count < world:
            raise SettingsError(f"{count} slices are too few for {world} devices.")
        self.count, self.size, self.seed = count, min(batch_size, count), seed
        self.rank, self.world, self.epoch = rank, world, 0
        self.balance, self.shown = balance, shown

    def __len__(self) -> int:
        return self.count // self.size

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(self.count)
        if self.balance and self.shown:
            for place in np.flatnonzero(random.random(self.count) < self.balance):
                order[place] = random.choice(self.shown[random.integers(len(self.shown))])
        for start in range(0, len(self) * self.size, self.size):
            yield order[start : start + self.size][self.rank :: self.world].tolist()
