"""Slices on a GPU: where there is one, the batches of the processor to the last digits of an interpolation."""

import pytest
import torch

from guided_attention.data import Augmentation, InputSettings, SliceDataset
from guided_attention.data.slices import _SHARE
from guided_attention.training.batches import EpochBatches
from small_volumes import small_volume

VOLUMES = [small_volume("a", 1, slices=7), small_volume("b", 2, slices=5)]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def batches_of(augmentation, home, device, epoch=3):
    data = SliceDataset(VOLUMES, InputSettings(32), augmentation, seed=4).to(home)
    data.set_epoch(epoch)
    order = EpochBatches(len(data), 4, seed=4)
    order.epoch = epoch
    return list(data.batches(order, device))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("home", DEVICES)
@pytest.mark.parametrize("augmentation", [None, Augmentation(rotation_probability=0.8)], ids=["plain", "augmented"])
def test_the_device_does_not_matter(augmentation, home, device):
    """Grey values to 1e-5 of their scale; a label may fall on another side of a pixel's edge now and then."""
    expected, found = batches_of(augmentation, "cpu", "cpu"), batches_of(augmentation, home, device)
    assert len(expected) == 3
    for (image, labels), (moved, marked) in zip(expected, found, strict=True):
        assert moved.device.type == marked.device.type == device
        assert (moved.dtype, marked.dtype) == (torch.float32, torch.int64)
        torch.testing.assert_close(moved.cpu(), image, rtol=0, atol=1e-5 if augmentation else 0)
        assert (marked.cpu() != labels).float().mean() < (1e-3 if augmentation else 1e-9)


def test_slices_that_would_fill_a_gpu_stay_where_they_are(monkeypatch):
    data = SliceDataset(VOLUMES, InputSettings(32))
    free = (data.images.nbytes + data.labels.nbytes) / _SHARE
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free - 1, 10 * free))
    assert data.to("cuda").images.device.type == "cpu"


def test_another_epoch_draws_anew():
    (first, *_), (again, *_), (other, *_) = (batches_of(Augmentation(), "cpu", "cpu", epoch) for epoch in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
