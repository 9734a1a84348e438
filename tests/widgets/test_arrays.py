"""Arrays as people have them: flipped, big-endian, read-only, transposed, lists, of any type of numbers."""

import warnings

import numpy as np
import pytest
import torch

from guided_attention.data import InputSettings, Volume
from guided_attention.errors import SettingsError
from guided_attention.widgets.shared.inputs import as_slice
from guided_attention.widgets.volume_data import as_classes, as_image

GREY = np.arange(48, dtype=np.float32).reshape(6, 8)
LABELS = (np.arange(48).reshape(6, 8) % 5).astype(np.uint8)

WAYS = {
    "flipped": lambda a: np.flipud(np.ascontiguousarray(a[::-1])),
    "mirrored": lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    "column by column": np.asfortranarray,
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "big-endian int16": lambda a: a.astype(">i2"),
    "uint16": lambda a: a.astype(np.uint16),
    "float64": lambda a: a.astype(np.float64),
    "bfloat16 tensor": lambda a: torch.tensor(a).bfloat16(),
    "tensor with a gradient": lambda a: torch.tensor(a, dtype=torch.float32, requires_grad=True),
    "lists": lambda a: a.tolist(),
}


@pytest.fixture(autouse=True)
def _silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PyTorch's, about arrays that may not be written
        yield


@pytest.mark.parametrize("way", WAYS)
def test_a_slice_holds_the_numbers_that_were_given(way):
    made = as_slice(WAYS[way](GREY), WAYS[way](LABELS))
    assert made.x.dtype == torch.float32
    np.testing.assert_array_equal(made.x[0, 0].numpy(), GREY)
    assert made.labels.dtype == np.uint8
    np.testing.assert_array_equal(made.labels, LABELS)


@pytest.mark.parametrize("way", ["flipped", "column by column", "read-only", "big-endian", "lists"])
def test_predictions_and_phases_hold_the_numbers_that_were_given(way):
    grey, labels = np.stack([GREY, GREY + 1]), np.stack([LABELS, LABELS[::-1]])
    np.testing.assert_array_equal(as_image("phase", WAYS[way](grey), grey.shape), grey)
    np.testing.assert_array_equal(as_classes(WAYS[way](labels), labels.shape), labels)


@pytest.mark.parametrize("given", [[["a", "b"], ["c", "d"]], np.ones((4, 4), complex), np.array([[None, 1]])])
def test_what_is_no_number_is_refused_in_our_words(given):
    with pytest.raises(SettingsError, match="image: expected an array of numbers, found one of "):
        as_slice(given)
    with pytest.raises(SettingsError, match="labels: expected an array of numbers, found one of "):
        as_slice(np.zeros(np.shape(given)), given)


@pytest.mark.parametrize("part", ["image", "labels"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flipped_volume_is_prepared_like_its_copy(part, axis):
    rng = np.random.default_rng(0)
    image = rng.random((3, 24, 20), np.float32)
    labels = rng.integers(0, 5, image.shape).astype(np.uint8)
    flipped = {"image": image, "labels": labels}
    flipped[part] = np.flip(flipped[part], axis)
    copied = {name: array.copy() for name, array in flipped.items()}
    inputs = InputSettings(16, "resample")
    found, wanted = (
        inputs.prepare(Volume(given["image"], given["labels"], (6.0, 1.5, 1.5), "a")) for given in (flipped, copied)
    )
    np.testing.assert_array_equal(found.image, wanted.image)
    np.testing.assert_array_equal(found.labels, wanted.labels)
