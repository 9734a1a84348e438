"""The data pipeline: what a batch of augmented slices costs, beside the training step that eats it.

A step waits for its batch, because the slices lie in memory and are augmented on the network's own device. The share of
waiting is the first time divided by the sum of both.
"""

from __future__ import annotations

import numpy as np

from benchmarks.case import Case, Job, Work
from benchmarks.networks import FAST, PACKAGE, PIXELS, batch_of, inputs_of, settings, step_of
from guided_attention.data import InputSettings, SliceDataset, Volume

STEP, STEP_BF16, BATCH = "training step", "training step, bf16", "augmented batch"


def dataset_of(job: Job) -> SliceDataset:
    """Forty synthetic slices: what an augmentation costs does not depend on what is in them."""
    size, rng = PIXELS[job.quick], np.random.default_rng(0)
    shape = (40, size, size)
    volume = Volume(rng.random(shape, np.float32), rng.integers(5, size=shape, dtype=np.uint8), (7.7, 1.5, 1.5), "0")
    return SliceDataset([volume], InputSettings(size)).to(job.device)


def prepare(job: Job, size: int | None) -> Work:
    batch = batch_of(job.device)
    if job.contender != BATCH:
        network = PACKAGE if job.contender == STEP else FAST
        step, inputs = step_of(Job(**{**vars(job), "contender": network})), inputs_of(job, batch)
        return Work(lambda: step(*inputs), lambda: {"slices": batch})
    data = dataset_of(job)
    steps = len(data) // batch
    order = np.random.default_rng(0).permutation(len(data))[: steps * batch].reshape(steps, batch).tolist()

    def once() -> None:
        for _ in data.batches(order, job.device):
            pass

    return Work(once, lambda: {"slices": steps * batch})


DATA = Case(
    "data",
    "Augmented slices beside the steps that eat them",
    prepare,
    lambda device: (STEP, STEP_BF16, BATCH),
    lambda quick, device: {"batch": batch_of(device), **settings(quick, device)},
)
