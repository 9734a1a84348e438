"""Eq. 6 to 11 against loops over elements in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from guided_attention.errors import SettingsError
from guided_attention.models.output import SegmentationOutput
from guided_attention.training.losses import (
    LossWeights,
    guided_loss,
    objective,
    reconstruction_loss,
    segmentation_loss,
    total_guided_loss,
    total_reconstruction_loss,
)

SUM = LossWeights(reduction="sum")
STOP = LossWeights(stop_gradient=True)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def squared_norm(a: Tensor, b: Tensor, reduction: str) -> float:
    """||a - b||^2 of each image by a loop over its elements, averaged over the images (and elements, if mean)."""
    images = []
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        flat = list(zip(_flatten(x), _flatten(y), strict=True))
        total = math.fsum((p - q) ** 2 for p, q in flat)
        images.append(total / len(flat) if reduction == "mean" else total)
    return math.fsum(images) / len(images)


def _flatten(nested) -> list[float]:
    return [nested] if isinstance(nested, float) else [v for part in nested for v in _flatten(part)]


def cross_entropy(logits: Tensor, labels: Tensor) -> float:
    """Mean over pixels of minus the log of the softmax at the label, pixel by pixel."""
    terms = []
    for b, row, col in [
        (b, r, c) for b in range(len(labels)) for r in range(labels.shape[1]) for c in range(labels.shape[2])
    ]:
        z = logits[b, :, row, col].tolist()
        terms.append(math.log(math.fsum(math.exp(v) for v in z)) - z[int(labels[b, row, col])])
    return math.fsum(terms) / len(terms)


def pairs(count: int, channels: int = 4, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    return [
        (draw(2, channels, 3, 2, seed=seed + 2 * i), draw(2, channels, 3, 2, seed=seed + 2 * i + 1))
        for i in range(count)
    ]


@pytest.mark.parametrize("weights", [LossWeights(), SUM], ids=["mean", "sum"])
class TestSquaredDistances:
    def test_equation_6(self, weights):
        a, b = draw(2, 5, 3, 4), draw(2, 5, 3, 4, seed=1)
        expected = squared_norm(a, b, weights.reduction)
        assert guided_loss(a, b, weights).item() == pytest.approx(expected, rel=1e-12)

    def test_equation_7(self, weights):
        # F has twice the channels of F_SA where step 2 gets the attention features directly.
        given = [pairs(1, 6)[0], pairs(1, 3, seed=8)[0]]
        expected = sum(squared_norm(a, b, weights.reduction) for a, b in given)
        assert reconstruction_loss(given, weights).item() == pytest.approx(expected, rel=1e-12)

    def test_equations_8_and_9_sum_over_the_scales(self, weights):
        latents, rebuilt = pairs(4), pairs(8, seed=50)
        expected = math.fsum(squared_norm(a, b, weights.reduction) for a, b in latents)
        assert total_guided_loss(latents, weights).item() == pytest.approx(expected, rel=1e-12)
        expected = math.fsum(squared_norm(a, b, weights.reduction) for a, b in rebuilt)
        assert total_reconstruction_loss(rebuilt, weights).item() == pytest.approx(expected, rel=1e-12)

    def test_equal_tensors_are_at_distance_zero(self, weights):
        a = draw(2, 3, 4, 4)
        assert guided_loss(a, a.clone(), weights) == 0
        assert reconstruction_loss([(a, a.clone())] * 2, weights) == 0


@settings(deadline=None, max_examples=20)
@given(shape=st.tuples(*[st.integers(1, 4)] * 4), seed=st.integers(0, 1000))
def test_the_sum_is_the_mean_times_the_elements_of_one_image(shape, seed):
    a, b = draw(*shape, seed=seed), draw(*shape, seed=seed + 1)
    mean, total = guided_loss(a, b).item(), guided_loss(a, b, SUM).item()
    assert total == pytest.approx(mean * math.prod(shape[1:]), rel=1e-12)
    # A batch of one image twice is as far apart as the image alone: nothing grows with the batch.
    assert guided_loss(a[:1], b[:1], SUM).item() == pytest.approx(
        guided_loss(a[:1].expand(3, -1, -1, -1), b[:1].expand(3, -1, -1, -1), SUM).item(), rel=1e-12
    )


def test_gradients_of_equation_6():
    a, b = draw(2, 3, 2, 2).requires_grad_(), draw(2, 3, 2, 2, seed=1).requires_grad_()
    guided_loss(a, b, SUM).backward()
    torch.testing.assert_close(a.grad, (a - b).detach())  # 2 (a - b) / batch
    torch.testing.assert_close(b.grad, (b - a).detach())
    assert torch.autograd.gradcheck(lambda x, y: guided_loss(x, y), (a, b))


def test_stop_gradient_holds_the_targets_only():
    a, b = (x.requires_grad_() for x in pairs(1)[0])
    assert guided_loss(a, b, STOP) == guided_loss(a, b)
    guided_loss(a, b, STOP).backward()
    assert a.grad is None
    torch.testing.assert_close(b.grad, (2 * (b - a) / a.numel()).detach())
    b.grad = None
    reconstruction_loss([(a, b)], STOP).backward()
    assert a.grad is None
    assert b.grad.abs().min() > 0


@pytest.mark.parametrize("count", [1, 8])
def test_equation_10(count):
    labels = torch.randint(0, 5, (2, 3, 4), generator=torch.Generator().manual_seed(0))
    predictions = [3 * draw(2, 5, 3, 4, seed=s) for s in range(count)]
    expected = math.fsum(cross_entropy(p, labels) for p in predictions)
    assert segmentation_loss(predictions, labels).item() == pytest.approx(expected, rel=1e-12)


def test_eight_predictions_that_know_nothing_cost_eight_times_log_five():
    labels = torch.randint(0, 5, (2, 3, 4))
    assert segmentation_loss([torch.zeros(2, 5, 3, 4)] * 8, labels).item() == pytest.approx(8 * math.log(5))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_outputs_are_measured_in_float32(dtype):
    a, b = (200 * x for x in pairs(1)[0])  # squares add up beyond what float16 can hold
    found = guided_loss(a.to(dtype), b.to(dtype), SUM)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(squared_norm(a.to(dtype).double(), b.to(dtype).double(), "sum"), rel=1e-5)
    logits, labels = draw(1, 5, 2, 2).to(dtype), torch.zeros(1, 2, 2, dtype=torch.int64)
    assert segmentation_loss([logits], labels).item() == pytest.approx(cross_entropy(logits.double(), labels), rel=1e-5)


def guided_output() -> tuple[SegmentationOutput, Tensor]:
    labels = torch.randint(0, 5, (2, 3, 2), generator=torch.Generator().manual_seed(0))
    sides = tuple(draw(2, 5, 3, 2, seed=100 + s) for s in range(8))
    output = SegmentationOutput(
        torch.stack(sides[4:]).mean(0),
        side_logits=sides,
        latents=tuple(pairs(4)),
        reconstructions=tuple(pairs(8, seed=50)),
    )
    return output, labels


class TestObjective:
    @pytest.mark.parametrize(
        "weights",
        [LossWeights(), SUM, LossWeights(alpha=0.5, beta=2.0, gamma=3.0), LossWeights(beta=0.0, gamma=0.0)],
    )
    def test_equation_11(self, weights):
        output, labels = guided_output()
        segmentation = math.fsum(cross_entropy(p, labels) for p in output.side_logits)
        guided = math.fsum(squared_norm(a, b, weights.reduction) for a, b in output.latents)
        rebuilt = math.fsum(squared_norm(a, b, weights.reduction) for a, b in output.reconstructions)
        found = objective(output, labels, weights)
        assert found.segmentation.item() == pytest.approx(segmentation, rel=1e-12)
        assert found.guided.item() == pytest.approx(guided, rel=1e-12)
        assert found.reconstruction.item() == pytest.approx(rebuilt, rel=1e-12)
        total = weights.alpha * segmentation + weights.beta * guided + weights.gamma * rebuilt
        assert found.total.item() == pytest.approx(total, rel=1e-12)

    def test_the_paper_s_weights_are_the_default(self):
        weights = LossWeights()
        assert (weights.alpha, weights.beta, weights.gamma) == (1, 0.25, 0.1)
        assert (weights.reduction, weights.stop_gradient) == ("mean", False)

    def test_a_network_without_side_predictions_is_trained_on_its_logits(self):
        labels, logits = torch.zeros(2, 3, 2, dtype=torch.int64), draw(2, 5, 3, 2)
        found = objective(SegmentationOutput(logits), labels, LossWeights(alpha=2.0))
        assert found.total.item() == pytest.approx(2 * cross_entropy(logits, labels), rel=1e-12)
        assert found.guided == found.reconstruction == 0

    def test_with_side_predictions_the_logits_have_no_loss_of_their_own(self):
        output, labels = guided_output()
        other = SegmentationOutput(100 * output.logits, output.side_logits, output.latents, output.reconstructions)
        assert objective(other, labels).total == objective(output, labels).total

    @pytest.mark.parametrize("name", ["alpha", "beta", "gamma"])
    @pytest.mark.parametrize("value", [-0.1, math.nan])
    def test_negative_weights(self, name, value):
        with pytest.raises(SettingsError, match=f"{name}=.*must not be negative"):
            LossWeights(**{name: value})

    def test_unknown_reduction(self):
        with pytest.raises(SettingsError, match="reduction='none'"):
            LossWeights(reduction="none")
