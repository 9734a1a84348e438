"""Slices for training: resized without a shift, normalised per volume, augmented the same for image and labels."""

from __future__ import annotations

import time
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from guided_attention.data import Augmentation, Draw, InputSettings, SliceDataset, Volume, fit_in_plane, normalise
from guided_attention.data.augmentation import as_tensor, augment
from guided_attention.data.read.orientation import default_affine
from guided_attention.errors import DataError, SettingsError


def a_volume(shape=(3, 20, 16), seed=0, subject="1"):
    rng = np.random.default_rng(seed)
    image = rng.gamma(2, 100, shape).astype(np.float32)
    labels = rng.integers(0, 5, shape, dtype=np.uint8)
    return Volume(image, labels, (7.0, 1.5, 2.0), subject, default_affine((7.0, 1.5, 2.0)))


class TestFitInPlane:
    @settings(deadline=None, max_examples=40)
    @given(
        rows=st.integers(1, 24),
        columns=st.integers(1, 24),
        size=st.integers(1, 24),
        how=st.sampled_from(["crop", "resample"]),
    )
    def test_shape_and_place(self, rows, columns, size, how):
        """The middle of the picture stays where it is in the world; to half a pixel where a crop cannot halve one."""
        volume = a_volume((2, rows, columns))
        fitted = fit_in_plane(volume, size, how)
        assert fitted.shape == (2, size, size)
        middles = [v.affine @ [(v.shape[2] - 1) / 2, (v.shape[1] - 1) / 2, 0, 1] for v in (volume, fitted)]
        shift = np.abs(middles[0] - middles[1])[:2]
        assert (shift <= ([1.0 + 1e-9, 0.75 + 1e-9] if how == "crop" else [1e-9, 1e-9])).all()
        np.testing.assert_allclose(np.abs(np.diag(fitted.affine))[2::-1], fitted.spacing)

    def test_288_is_cut_to_the_centre_256(self):
        volume = a_volume((2, 288, 288))
        fitted = fit_in_plane(volume, 256)
        np.testing.assert_array_equal(fitted.image, volume.image[:, 16:272, 16:272])
        np.testing.assert_array_equal(fitted.labels, volume.labels[:, 16:272, 16:272])
        assert fitted.spacing == volume.spacing

    def test_small_slices_are_padded_with_air_and_background(self):
        volume = a_volume((2, 5, 8))
        fitted = fit_in_plane(volume, 8)
        np.testing.assert_array_equal(fitted.image[:, 1:6], volume.image)
        assert (fitted.image[:, [0, 6, 7]] == volume.image.min()).all()
        assert not fitted.labels[:, [0, 6, 7]].any()

    def test_halving_averages_four_pixels(self):
        """By a triangle as wide as two new pixels: 1 3 3 1 eighths along each axis, away from the rim."""
        volume = a_volume((2, 16, 16))
        fitted = fit_in_plane(volume, 8, "resample")
        weights = np.array([1, 3, 3, 1]) / 8
        expected = np.einsum("dij,i,j->d", volume.image[:, 5:9, 7:11].astype(float), weights, weights)
        np.testing.assert_allclose(fitted.image[:, 3, 4], expected, rtol=1e-5)
        assert fitted.spacing == (7.0, 3.0, 4.0)
        assert set(np.unique(fitted.labels)) <= set(range(5))
        np.testing.assert_array_equal(fitted.labels, volume.labels[:, 1::2, 1::2])

    def test_a_ramp_stays_a_ramp_in_the_world(self):
        """Linear interpolation of x mm gives x mm: nothing is shifted by half a pixel."""
        x = np.broadcast_to(np.arange(24, dtype=np.float32), (1, 24, 24)).copy()
        volume = Volume(x, None, (1, 1, 1), "1", default_affine((1, 1, 1)))
        for size in (12, 16, 36):
            fitted = fit_in_plane(volume, size, "resample")
            mm = -(fitted.affine @ np.stack([np.arange(size), *np.zeros((2, size)), np.ones(size)]))[0]
            np.testing.assert_allclose(
                fitted.image[0, size // 2, 4:-4], mm[4:-4], atol=0.05
            )  # the triangle's weights ripple a little

    def test_a_volume_that_fits_is_left_alone(self):
        volume = a_volume((2, 16, 16))
        assert fit_in_plane(volume, 16, "resample") is volume

    def test_without_labels_or_affine(self):
        volume = Volume(a_volume().image, None, (1, 1, 1), "1")
        for how in ("crop", "resample"):
            fitted = fit_in_plane(volume, 8, how)
            assert fitted.labels is None
            assert fitted.affine is None

    def test_bad_arguments_are_named(self):
        with pytest.raises(SettingsError, match="how='squeeze'"):
            fit_in_plane(a_volume(), 8, "squeeze")
        with pytest.raises(SettingsError, match="size=0"):
            fit_in_plane(a_volume(), 0)


class TestAugmentation:
    def disc(self, size=64):
        row, column = np.mgrid[:size, :size]
        labels = ((row - 0.3 * size) ** 2 + (column - 0.7 * size) ** 2 < (0.15 * size) ** 2).astype(np.uint8)
        labels[int(0.7 * size) :, : int(0.25 * size)] = 3
        return torch.from_numpy(labels * 0.5).float() + 0.25, torch.from_numpy(labels)

    @pytest.mark.parametrize("angle", [-30.0, -7.3, 11.0, 30.0])
    def test_rotation_is_that_of_scipy(self, angle):
        image, labels = self.disc()
        turned, moved = Augmentation.apply(image, labels, Draw(angle=angle), outside=0.25)
        expected = ndimage.rotate(image.numpy().astype(float), angle, reshape=False, order=1, cval=0.25)
        inside = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 31
        np.testing.assert_allclose(turned.numpy()[inside], expected[inside], atol=1e-4)
        nearest = ndimage.rotate(labels.numpy(), angle, reshape=False, order=0)
        assert np.mean(moved.numpy()[inside] != nearest[inside]) < 1e-3  # ties between two pixels
        assert moved.dtype == labels.dtype
        assert set(moved.unique().tolist()) <= {0, 1, 3}

    def test_a_quarter_turn_and_flips_are_exact(self):
        image, labels = self.disc()
        for draw, same in (
            (Draw(angle=90.0), lambda a: np.rot90(a)),
            (Draw(angle=180.0), lambda a: a[::-1, ::-1]),
            (Draw(horizontal=True), lambda a: a[:, ::-1]),
            (Draw(vertical=True), lambda a: a[::-1]),
            (Draw(horizontal=True, vertical=True), lambda a: a[::-1, ::-1]),
        ):
            out, moved = Augmentation.apply(image, labels, draw)
            np.testing.assert_allclose(out.numpy(), same(image.numpy()), atol=1e-4)
            np.testing.assert_array_equal(moved.numpy(), same(labels.numpy()))

    def test_probabilities(self):
        rng = np.random.default_rng(0)
        draws = [Augmentation().draw(rng) for _ in range(4000)]
        angles = np.array([d.angle for d in draws])
        assert np.mean(angles != 0) == pytest.approx(0.5, abs=0.03)
        turned = angles[angles != 0]
        assert np.abs(turned).max() <= 30
        assert (turned.mean(), turned.std()) == pytest.approx((0, 60 / np.sqrt(12)), abs=0.8)
        for flip in ("horizontal", "vertical"):
            assert np.mean([getattr(d, flip) for d in draws]) == pytest.approx(0.5, abs=0.03)
        both = np.mean([d.horizontal and d.vertical for d in draws])
        assert both == pytest.approx(0.25, abs=0.03)

    def test_flips_can_be_turned_off_without_changing_the_angles(self):
        with_flips, without = (
            [Augmentation(flips=flips).draw(np.random.default_rng(i)) for i in range(200)] for flips in (True, False)
        )
        assert not any(d.horizontal or d.vertical for d in without)
        assert [d.angle for d in with_flips] == [d.angle for d in without]

    def test_settings_are_frozen_and_checked(self):
        with pytest.raises(FrozenInstanceError):
            Augmentation().rotation = 3
        for bad in ({"rotation": -1}, {"rotation_probability": 1.5}, {"flip_probability": float("nan")}):
            with pytest.raises(SettingsError, match=next(iter(bad))):
                Augmentation(**bad)


class TestSliceDataset:
    def volumes(self):
        return [a_volume((3, 20, 16), 1, "5"), a_volume((2, 12, 12), 2, "8")]

    def test_items(self):
        data = SliceDataset(self.volumes(), InputSettings(16), augmentation=None)
        assert len(data) == 5
        assert [(i["subject"], i["index"]) for i in data] == [("5", 0), ("5", 1), ("5", 2), ("8", 0), ("8", 1)]
        volume = fit_in_plane(self.volumes()[1], 16)
        item = data[-1]
        np.testing.assert_array_equal(item["image"][0], normalise(volume.image)[1])
        np.testing.assert_array_equal(item["labels"], volume.labels[1])
        assert (item["image"].dtype, item["labels"].dtype) == (torch.float32, torch.int64)
        assert (item["image"].shape, item["labels"].shape) == ((1, 16, 16), (16, 16))
        with pytest.raises(IndexError):
            data[5]

    def test_an_item_is_a_copy(self):
        data = SliceDataset(self.volumes(), InputSettings(16), augmentation=None)
        kept = data[0]["image"].clone()
        data[0]["image"].zero_()
        data[0]["labels"].zero_()
        torch.testing.assert_close(data[0]["image"], kept)
        assert data[0]["labels"].any()

    def test_random_numbers_follow_from_seed_epoch_and_item_alone(self):
        def all_of(data, epoch, order=range(5)):
            data.set_epoch(epoch)
            items = {i: data[i]["image"] for i in order}
            return torch.stack([items[i] for i in range(5)])

        data = SliceDataset(self.volumes(), InputSettings(16), seed=3)
        first, second = all_of(data, 1), all_of(data, 2)
        assert not torch.equal(first, second)
        assert torch.equal(first, all_of(data, 1, order=[4, 2, 0, 1, 3]))
        assert torch.equal(first, all_of(SliceDataset(self.volumes(), InputSettings(16), seed=3), 1))
        assert not torch.equal(first, all_of(SliceDataset(self.volumes(), InputSettings(16), seed=4), 1))
        state = torch.get_rng_state(), np.random.get_state()[1].copy()
        all_of(data, 3)
        assert torch.equal(state[0], torch.get_rng_state())
        assert np.array_equal(state[1], np.random.get_state()[1])

    def test_batches_are_the_items_together(self):
        data = SliceDataset(self.volumes(), InputSettings(16))
        data.set_epoch(2)
        for items, (images, labels) in zip(order := [[4, 0], [1, 3]], data.batches(order), strict=True):
            assert torch.equal(images, torch.stack([data[item]["image"] for item in items]))
            assert torch.equal(labels, torch.stack([data[item]["labels"] for item in items]))

    def test_slices_beyond_half_of_the_memory_lie_in_a_file_without_a_name(self, tmp_path, monkeypatch):
        plain = SliceDataset(self.volumes(), InputSettings(16))
        bytes_ = 5 * 5 * 16 * 16  # slices, bytes of a pixel and its label, pixels
        monkeypatch.setattr("guided_attention.data.slices._memory", lambda: 2 * bytes_)
        monkeypatch.setattr(np, "memmap", None)  # half of the memory is not yet too much
        SliceDataset(self.volumes(), InputSettings(16), scratch=tmp_path)
        monkeypatch.undo()
        made = []
        monkeypatch.setattr("guided_attention.data.slices._memory", lambda: 2 * bytes_ - 1)
        memmap = np.memmap
        monkeypatch.setattr(np, "memmap", lambda *a, **k: made.append(memmap(*a, **k)) or made[-1])
        mapped = SliceDataset(self.volumes(), InputSettings(16), scratch=tmp_path / "run")
        assert [one.shape for one in made] == [(5, 1, 16, 16), (5, 16, 16)]
        assert mapped.images.data_ptr() == made[0].ctypes.data
        assert not list((tmp_path / "run").iterdir())
        for one, other in zip(plain, mapped, strict=True):
            assert torch.equal(one["image"], other["image"])
            assert torch.equal(one["labels"], other["labels"])

    @pytest.mark.parametrize("normalisation", ["percentile", "zscore"])
    def test_what_a_rotation_brings_in_is_as_dark_as_air(self, normalisation):
        volume, inputs = a_volume((1, 32, 32)), InputSettings(32, normalisation=normalisation)
        always = Augmentation(rotation_probability=1, flips=False)
        data = SliceDataset([volume], inputs, always)
        plain = SliceDataset([volume], inputs, None)[0]["image"]
        while abs(always.draw(np.random.default_rng((0, epoch := data._epoch, 0))).angle) < 15:
            data.set_epoch(epoch + 1)
        item = data[0]
        assert item["image"][0, 0, 0] == plain.min()
        assert item["labels"][0, 0] == 0
        assert item["image"].min() >= plain.min() - 1e-6

    def test_errors(self):
        with pytest.raises(SettingsError, match="at least one"):
            SliceDataset([])
        with pytest.raises(DataError, match="subject '1': expected labels"):
            SliceDataset([a_volume().with_labels(None)])

    def test_an_item_of_256_takes_milliseconds_not_tens(self):
        """Measured 0.4 ms on one core; the limit leaves room for a busy machine."""
        data = SliceDataset([a_volume((4, 256, 256))])
        best = float("inf")
        for epoch in range(5):
            data.set_epoch(epoch)
            start = time.perf_counter()
            for item in range(4):
                data[item]
            best = min(best, (time.perf_counter() - start) / 4)
        assert best < 0.01


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
