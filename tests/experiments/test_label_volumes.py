"""The file of predicted masks."""

import numpy as np
import pytest

from guided_attention.errors import DataError
from guided_attention.experiments.label_volumes import masks_path, read_masks, write_masks


def labels(seed, shape=(4, 8, 6)):
    return np.random.default_rng(seed).integers(0, 5, shape, np.uint8)


def test_come_back_as_they_were_and_are_the_same_bytes(tmp_path):
    masks = {"2": labels(2), "10": labels(10, (3, 5, 7))}
    first = write_masks(tmp_path / "a" / "fold0-seed0.npz", masks)
    second = write_masks(tmp_path / "b.npz", dict(reversed(masks.items())))
    read = read_masks(first)
    assert set(read) == {"2", "10"}
    for subject, array in masks.items():
        np.testing.assert_array_equal(read[subject], array)
        assert read[subject].dtype == np.uint8
    assert first.read_bytes() == second.read_bytes()


def test_lie_beside_their_record():
    assert masks_path("results/d/m/fold0-seed1.json").as_posix() == "results/d/m/fold0-seed1.npz"


def test_errors_name_the_file_or_subject(tmp_path):
    with pytest.raises(DataError, match=r"none\.npz: there are no masks"):
        read_masks(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"bad\.npz: not a file of masks"):
        read_masks(tmp_path / "bad.npz")
    with pytest.raises(DataError, match=r"subject '3'.*uint8"):
        write_masks(tmp_path / "x.npz", {"3": labels(0).astype(np.int64)})
    with pytest.raises(DataError, match="no predictions"):
        write_masks(tmp_path / "x.npz", {})
    assert not (tmp_path / "x.npz").exists()
