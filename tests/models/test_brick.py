"""The building brick against convolution, batch norm and PReLU one after the other, in evaluation and in training."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from guided_attention.models.brick import ConvNormAct


def brick(size: int = 3, slope: float = 0.25) -> ConvNormAct:
    torch.manual_seed(0)
    layers = ConvNormAct(3, 4, size)
    with torch.no_grad():
        layers[1].weight.uniform_(-2, 2)
        layers[1].bias.normal_()
        layers[2].weight.fill_(slope)
    return layers


def image(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a.detach().double() - b.detach().double()).norm() / b.detach().double().norm())


@pytest.mark.parametrize("size", [1, 3])
def test_in_evaluation_it_is_the_arithmetic_written_out(size):
    layers, x = brick(size).double().eval(), image(2, 3, 5, 6)
    conv, norm, act = layers
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    unfolded = nn.functional.unfold(x, size, padding=size // 2)
    y = torch.einsum("ok,bkn->bon", conv.weight.flatten(1), unfolded).unflatten(2, x.shape[2:])
    mean, var, scale, shift = (
        v.view(1, -1, 1, 1) for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    y = (y - mean) / (var + norm.eps).sqrt() * scale + shift
    torch.testing.assert_close(layers(x), torch.where(y > 0, y, act.weight * y), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("slope", [0.25, 0.0, 1.0, -0.5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_training_step_equals_the_three_layers_in_float64(slope, layout):
    """Features, all gradients, and the statistics that evaluation will use; also of slopes that lose the sign."""
    ours = brick(slope=slope).double()
    layers = nn.Sequential(*deepcopy(ours))
    results = []
    for module in (ours, layers):
        x = image(2, 3, 5, 6).to(memory_format=layout).requires_grad_()
        out = module(x)
        out.backward(image(*out.shape))  # laid out in rows, whatever the layout of x
        results.append([out, x.grad, *(p.grad for p in module.parameters()), *module.buffers()])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_a_training_step_in_bfloat16_is_exact_to_its_rounding():
    ours, expected = brick(), nn.Sequential(*deepcopy(brick())).double()
    x, weights = image(4, 3, 16, 16), image(4, 4, 16, 16).abs()  # of one sign: no sum cancels
    with torch.autocast("cpu", torch.bfloat16):
        out = ours(x.float())
    out.backward(weights.bfloat16())
    right = expected(x)
    right.backward(weights)
    unit = torch.finfo(torch.bfloat16).eps
    assert out.dtype == torch.bfloat16
    assert relative(out, right) < 2 * unit
    for (name, p), q in zip(ours.named_parameters(), expected.parameters(), strict=True):
        assert p.grad.dtype == torch.float32
        assert relative(p.grad, q.grad) < 8 * unit, name


def test_it_keeps_its_input_and_what_enters_batch_norm_and_no_other_map():
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    x = image(2, 4, 32, 32, dtype=torch.float32).requires_grad_()
    layers = ConvNormAct(4, 4)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = layers(x)
    assert sum(numel == x.numel() for numel in kept.values()) == 2
    out.sum().backward()


def test_old_weights_fit():
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.PReLU())
    ConvNormAct(3, 4).load_state_dict(layers.state_dict(), strict=True)


def test_one_value_for_each_channel_is_refused_as_by_batch_norm():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        ConvNormAct(3, 4)(torch.randn(1, 3, 1, 1))


def test_a_slice_is_the_first_operations_with_the_same_weights():
    layers, x = brick().double().eval(), image(2, 3, 5, 6)
    first = layers[:2]
    assert type(first) is nn.Sequential
    assert first[0] is layers[0]
    torch.testing.assert_close(first(x), layers[1](layers[0](x)))
    torch.testing.assert_close(layers[-1:](first(x)), layers(x))
    assert layers[-1] is layers[2]
