"""Slices kept on the device: the same batches as a `DataLoader` gives, and the same training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.utils.data import DataLoader

from guided_attention.data import Augmentation, Draw, SliceDataset
from guided_attention.models import build_model
from guided_attention.training.batches import DeviceBatches, EpochBatches, as_tensor, augment
from guided_attention.training.devices import Where
from guided_attention.training.loop import fit
from guided_attention.training.settings import FitSettings, InputSettings
from small_volumes import small_volume

VOLUMES = [small_volume("a", 1, slices=7), small_volume("b", 2, slices=5)]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def batches_of(augmentation, device, epoch=3, seed=4):
    """The same epoch, once from a loader and once from the device."""
    data = SliceDataset(VOLUMES, 32, "crop", augmentation, seed=seed)
    data.set_epoch(epoch)
    order = EpochBatches(len(data), 4, seed)
    order.epoch = epoch
    return list(DataLoader(data, batch_sampler=order)), list(DeviceBatches(data, order, device))


@pytest.mark.parametrize("device", DEVICES)
class TestDeviceBatches:
    def test_without_augmentation_they_are_the_same(self, device):
        loaded, resident = batches_of(None, device)
        assert len(loaded) == len(resident) == 3
        for one, other in zip(loaded, resident, strict=True):
            assert other["image"].device.type == other["labels"].device.type == device
            assert (other["image"].dtype, other["labels"].dtype) == (torch.float32, torch.int64)
            assert torch.equal(one["image"], other["image"].cpu())
            assert torch.equal(one["labels"], other["labels"].cpu())

    def test_with_augmentation_they_agree_within_interpolation(self, device):
        """Grey values to 1e-5 of their scale; a label may fall on another side of a pixel's edge now and then."""
        loaded, resident = batches_of(Augmentation(rotation_probability=0.8), device)
        for one, other in zip(loaded, resident, strict=True):
            torch.testing.assert_close(other["image"].cpu(), one["image"], rtol=0, atol=1e-5)
            assert (other["labels"].cpu() != one["labels"]).float().mean() < 1e-3

    def test_another_epoch_draws_anew(self, device):
        (first, *_), (again, *_), (other, *_) = (batches_of(Augmentation(), device, e)[1] for e in (1, 1, 2))
        assert torch.equal(first["image"], again["image"])
        assert not torch.equal(first["image"], other["image"])


def test_on_a_processor_the_bits_agree_too():
    loaded, resident = batches_of(Augmentation(), "cpu")
    for one, other in zip(loaded, resident, strict=True):
        assert torch.equal(one["image"], other["image"])
        assert torch.equal(one["labels"], other["labels"])


def test_each_slice_gets_its_own_move():
    """Against NumPy and SciPy: none, a mirror, another mirror, a rotation of both pictures by 30 degrees."""
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.normal(size=(4, 40, 40)), (0, 3, 3)).astype(np.float32)
    labels = (image > 0).astype(np.uint8)
    draws = [Draw(), Draw(horizontal=True), Draw(vertical=True), Draw(angle=30.0)]
    moved, marked = augment(torch.tensor(image), torch.tensor(labels), as_tensor(draws), torch.zeros(4))
    np.testing.assert_array_equal(moved[0], image[0])
    np.testing.assert_array_equal(moved[1], image[1][:, ::-1])
    np.testing.assert_array_equal(moved[2], image[2][::-1])
    turned = ndimage.rotate(image[3], 30, reshape=False, order=1)
    inside = np.hypot(*(np.indices((40, 40)) - 19.5)) < 17
    np.testing.assert_allclose(moved[3].numpy()[inside], turned[inside], atol=1e-4)
    nearest = ndimage.rotate(labels[3], 30, reshape=False, order=0)
    assert (marked[3].numpy()[inside] != nearest[inside]).mean() < 0.01
    assert marked.dtype == torch.uint8


def test_outside_of_a_rotated_slice_gets_its_grey_and_background():
    image, labels = torch.full((1, 20, 20), 5.0), torch.ones(1, 20, 20, dtype=torch.uint8)
    moved, marked = augment(image, labels, as_tensor([Draw(angle=45.0)]), torch.tensor([-2.0]))
    assert moved[0, 0, 0] == -2.0
    assert marked[0, 0, 0] == 0
    assert moved[0, 10, 10] == 5.0


def test_trains_the_same_network():
    """On a processor a resident run and one with a loader end with the same bits."""
    settings = FitSettings(epochs=2, batch_size=4, seed=5, inputs=InputSettings(size=32), augmentation=Augmentation())
    found = []
    for resident in (False, True):
        torch.manual_seed(0)
        model = build_model("unet", channels=4)
        result = fit(model, VOLUMES, VOLUMES[:1], replace(settings), where=Where(resident=resident), progress=False)
        found.append((model.state_dict(), [entry["loss"] for entry in result.history]))
    assert found[0][1] == found[1][1]
    for name, value in found[0][0].items():
        assert torch.equal(value, found[1][0][name]), name
