"""Whole volumes through a network: every slice in its place, at the volume's own size, whatever the batch size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from guided_attention.data import InputSettings, SliceDataset, fit_in_plane, normalise
from guided_attention.data.volume import CLASSES, Volume
from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.predict import predict_volume, predict_with_confidence
from guided_attention.evaluation.volumes import evaluate
from guided_attention.models import build_model
from guided_attention.models.output import SegmentationOutput

SPACING = (7.7, 1.25, 1.5)


def a_volume(shape=(7, 40, 36), subject="4", spacing=SPACING):
    rng = np.random.default_rng(sum(shape))
    smooth = np.cumsum(np.cumsum(rng.standard_normal(shape), axis=1), axis=2)
    labels = np.digitize(smooth, np.quantile(smooth, [0.5, 0.7, 0.8, 0.9])).astype(np.uint8)
    return Volume((100 + 10 * smooth).astype(np.float32), labels, spacing, subject)


MINMAX = InputSettings(32, "crop", "minmax")


class Quantiser(nn.Module):
    """Logits that grow with the grey value, so that the prediction tells which slice and pixel it saw."""

    def __init__(self, classes=5):
        super().__init__()
        self.levels = nn.Parameter(torch.linspace(0, 1, classes))
        self.frozen = nn.BatchNorm2d(1).eval()
        self.batches = []

    def forward(self, x):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.batches.append(x.detach().clone())
        return SegmentationOutput(-10 * (x - self.levels[:, None, None]).abs())


def expected(volume, how="minmax"):
    image = normalise(volume.image, how)
    return np.abs(image[:, None] - np.linspace(0, 1, 5)[:, None, None]).argmin(axis=1)


def test_same_size_is_the_network_slice_by_slice():
    volume = a_volume((7, 32, 32))
    prediction = predict_volume(Quantiser(), volume, MINMAX, batch_size=3)
    assert prediction.labels.dtype == np.uint8
    assert np.mean(prediction.labels == expected(volume)) > 0.999
    assert prediction.subject == volume.subject
    assert prediction.spacing == volume.spacing
    assert prediction.image is volume.image
    assert prediction.affine is volume.affine


def test_what_the_network_sees_is_what_it_was_trained_on():
    volume = a_volume()
    for how in ("crop", "resample"):
        for normalisation in ("percentile", "zscore", "minmax"):
            model = Quantiser()
            predict_volume(model, volume, InputSettings(32, how, normalisation), batch_size=4)
            seen = torch.cat(model.batches)
            trained = SliceDataset([volume], InputSettings(32, how, normalisation), augmentation=None)
            torch.testing.assert_close(seen, torch.stack([trained[i]["image"] for i in range(len(trained))]))


@pytest.mark.parametrize("shape", [(3, 40, 36), (3, 41, 37), (3, 20, 23), (3, 20, 45)])
@pytest.mark.parametrize("size", [32, 33])
def test_crop_is_undone_in_place(shape, size):
    volume = a_volume(shape)
    fitted = fit_in_plane(volume, size, "crop")
    one_hot = nn.functional.one_hot(torch.from_numpy(fitted.labels).long(), 5).permute(0, 3, 1, 2).float()
    back = InputSettings(size).restore(one_hot, shape[1:]).argmax(dim=1).numpy()
    # What the crop kept is where it was; what it dropped is background.
    kept = InputSettings(size).restore(torch.ones(1, 2, size, size), shape[1:])[0, 1].numpy() == 1
    assert kept.sum() == min(size, shape[1]) * min(size, shape[2])
    assert np.array_equal(back[:, kept], volume.labels[:, kept])
    assert not back[:, ~kept].any()


@pytest.mark.parametrize(("shape", "size"), [((3, 96, 96), 64), ((3, 64, 64), 96), ((3, 96, 72), 64)])
def test_resampling_is_undone_without_a_shift(shape, size):
    grid = np.indices(shape)
    disc = np.hypot((grid[1] - 0.4 * shape[1]) / shape[1], (grid[2] - 0.55 * shape[2]) / shape[2]) < 0.25
    volume = Volume((100 * disc).astype(np.float32), disc.astype(np.uint8), SPACING, "1")
    prediction = predict_volume(Quantiser(), volume, InputSettings(size, "resample", "minmax"))
    found = prediction.labels >= 3  # brighter than half
    assert prediction.shape == shape
    assert np.mean(found != disc) < 0.02
    centres = [np.argwhere(mask).mean(axis=0) for mask in (found, disc)]
    np.testing.assert_allclose(*centres, atol=0.2)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize(
    ("shape", "size"), [((2, 48, 48), 32), ((2, 32, 32), 48), ((2, 48, 40), 32), ((2, 48, 40), 64)]
)
def test_resampling_there_and_back_keeps_every_position(shape, size, axis):
    # Each pixel's value is its own row or column number: half a new pixel of shift would show (0.1 and more).
    ramp = np.indices(shape)[axis].astype(np.float32)
    fitted = fit_in_plane(Volume(ramp, None, SPACING, "1"), size, "resample")
    back = InputSettings(size, "resample").restore(torch.from_numpy(fitted.image)[:, None], shape[1:])[:, 0].numpy()
    inner = (slice(None), slice(4, -4), slice(4, -4))  # at the border there is nothing to interpolate with
    np.testing.assert_allclose(back[inner], ramp[inner], atol=0.06)


@pytest.mark.parametrize("how", ["crop", "resample"])
def test_batch_size_does_not_change_the_prediction(how):
    class Contrast(nn.Module):
        """An untrained network would call everything one class; without each slice's mean it draws a map."""

        def __init__(self):
            super().__init__()
            self.network = build_model("ms-dual-guided", backbone="resnet18")

        def forward(self, x):
            logits = self.network(x).logits
            return SegmentationOutput(logits - logits.mean(dim=(2, 3), keepdim=True))

    torch.manual_seed(0)
    model, volume = Contrast(), a_volume((5, 72, 70))
    predictions = [
        predict_volume(model, volume, InputSettings(64, how, "zscore"), batch_size=size).labels for size in (1, 2, 5, 8)
    ]
    assert predictions[0].shape == volume.shape
    assert len(np.unique(predictions[0])) == len(CLASSES)
    for other in predictions[1:]:
        # Kernels differ with the batch, so a logit may differ in its last bit: at a tie that is another class.
        assert np.mean(predictions[0] != other) < 1e-3


def test_modes_are_restored_even_after_an_error():
    model = Quantiser().train()
    model.frozen.eval()
    predict_volume(model, a_volume(), InputSettings(32))
    assert (model.training, model.frozen.training) == (True, False)
    with pytest.raises(SettingsError, match="logits of 5 classes, found 3"):
        predict_volume(three := Quantiser(classes=3).train(), a_volume(), InputSettings(32))
    assert three.training


def test_labels_of_the_volume_are_not_looked_at():
    volume = a_volume()
    with_labels = predict_volume(Quantiser(), volume, InputSettings(32))
    without = predict_volume(Quantiser(), volume.with_labels(None), InputSettings(32))
    assert np.array_equal(with_labels.labels, without.labels)


def test_bfloat16_autocast_is_used_and_nearly_agrees():
    class Convolution(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, len(CLASSES), 3, padding=1)

        def forward(self, x):
            self.seen = self.layer(x)
            return SegmentationOutput(self.seen)

    torch.manual_seed(0)
    model, volume = Convolution(), a_volume((3, 32, 32))
    plain = predict_volume(model, volume, InputSettings(32), precision="32-true").labels
    assert model.seen.dtype == torch.float32
    mixed = predict_volume(model, volume, InputSettings(32), precision="bf16-mixed").labels
    assert model.seen.dtype == torch.bfloat16
    assert np.mean(plain == mixed) > 0.97


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size: expected 1 or more, found 0"),
        ({"precision": "half"}, "precision='half' is unknown; choose one of '32-true', 'bf16-mixed'"),
    ],
)
def test_settings_that_cannot_work_are_named(wrong, message):
    with pytest.raises(SettingsError, match=message):
        predict_volume(Quantiser(), a_volume(), MINMAX, **wrong)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"how": "wrap"}, {"normalisation": "magic"}])
def test_inputs_that_cannot_be_made_are_named(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(SettingsError, match=f"{name}={value!r}"):
        InputSettings(**wrong)


@pytest.mark.parametrize("how", ["crop", "resample"])
@pytest.mark.parametrize("normalisation", ["percentile", "zscore", "minmax"])
def test_preparing_is_fitting_and_then_normalising(how, normalisation):
    volume, inputs = a_volume((3, 40, 37)), InputSettings(32, how, normalisation)
    prepared, fitted = inputs.prepare(volume), fit_in_plane(volume, 32, how)
    np.testing.assert_array_equal(prepared.image, normalise(fitted.image, normalisation))
    np.testing.assert_array_equal(prepared.labels, fitted.labels)
    assert prepared.spacing == fitted.spacing
    model = Quantiser()
    prediction = predict_volume(model, volume, inputs)
    assert torch.equal(torch.cat(model.batches)[:, 0], torch.from_numpy(prepared.image))
    logits = inputs.restore(-10 * (torch.cat(model.batches) - torch.linspace(0, 1, 5)[:, None, None]).abs(), (40, 37))
    np.testing.assert_array_equal(prediction.labels, logits.argmax(1))


def test_confidence_is_the_probability_of_the_predicted_class():
    volume = a_volume((4, 32, 32))
    prediction, confidence = predict_with_confidence(Quantiser(), volume, MINMAX)
    image = normalise(volume.image, "minmax").astype(np.float64)
    weights = np.exp(-10 * np.abs(image[:, None] - np.linspace(0, 1, 5)[:, None, None]))
    np.testing.assert_allclose(confidence, (weights / weights.sum(1, keepdims=True)).max(1), rtol=1e-5)
    assert np.array_equal(prediction.labels, expected(volume))


def test_evaluate_scores_each_volume_and_hands_out_the_predictions(capsys):
    volumes = [a_volume((4, 32, 32), subject=str(i)) for i in range(3)]
    seen = []
    scores = evaluate(
        Quantiser(),
        (volume for volume in volumes),
        MINMAX,
        on_prediction=seen.append,
        progress=False,
    )
    assert [score.subject for score in scores] == ["0", "1", "2"]
    assert [prediction.subject for prediction in seen] == ["0", "1", "2"]
    wanted = predict_volume(Quantiser(), volumes[1], MINMAX)
    assert np.array_equal(seen[1].labels, wanted.labels)
    assert capsys.readouterr().err == ""


def test_perfect_network_gets_perfect_scores():
    labels = a_volume((4, 32, 32)).labels
    volume = Volume(labels.astype(np.float32), labels, SPACING, "1")
    (score,) = evaluate(Quantiser(), [volume], MINMAX, progress=False)
    assert score.mean("dsc") == 1.0
    assert score.mean("maximum_mm") == 0.0
    assert score.mean("chaos") == 100.0


def test_evaluate_needs_reference_labels():
    with pytest.raises(DataError, match="subject '4': the reference has no labels"):
        evaluate(Quantiser(), [a_volume().with_labels(None)], MINMAX, progress=False)
