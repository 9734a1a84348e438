"""Features made twice: the same step, in less memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from guided_attention.models import build_model
from guided_attention.models.recompute import recomputing
from guided_attention.training.losses import objective


def small(semantic: str = "shared") -> nn.Module:
    torch.manual_seed(0)
    options = {"backbone_width": 8, "channels": 8, "semantic_widths": (32, 32, 32), "semantic": semantic}
    return build_model("ms-dual-guided", backbone="resnet18", **options).double()


def step(model: nn.Module, wanted: bool) -> int:
    """One forward and backward pass; return the numbers kept in between, weights apart."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    image = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with recomputing(model, wanted):
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = objective(model(image), torch.zeros(2, 64, 64, dtype=torch.int64)).total
        numbers = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
        loss.backward()
    return numbers


@pytest.mark.parametrize("semantic", ["shared", "per-scale"])
def test_the_same_gradients_and_statistics_from_fewer_numbers(semantic):
    plain, sparing = small(semantic), small(semantic)
    more, fewer = step(plain, False), step(sparing, True)
    assert fewer < 0.7 * more
    for (name, p), q in zip(plain.named_parameters(), sparing.parameters(), strict=True):
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-10, atol=1e-12, msg=name)
    for (name, p), q in zip(plain.named_buffers(), sparing.buffers(), strict=True):
        torch.testing.assert_close(q, p, rtol=1e-12, atol=0, msg=name)
    assert all(norm.momentum == 0.1 for norm in sparing.modules() if isinstance(norm, nn.BatchNorm2d))


def test_afterwards_the_network_is_as_it_was():
    model = small()
    with recomputing(model):
        pass
    assert not any("forward" in vars(module) for module in model.modules())
