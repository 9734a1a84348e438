"""What a whole training step computes and holds: never a map of every position against every other."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from guided_attention.evaluation.precision import autocast
from guided_attention.models import build_model
from guided_attention.training.losses import objective

SIZE = 128
POSITIONS = (SIZE // 4) ** 2


class Largest(TorchDispatchMode):
    """The size of the largest tensor that any operation makes, forward and backward, kept or not."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


def small(way: str) -> nn.Module:
    """Thin enough that a map of N x N numbers would be by far the largest tensor."""
    torch.manual_seed(0)
    options = {"backbone_width": 8, "channels": 8, "semantic_widths": (4, 8, 8)}
    model = build_model("ms-dual-guided", backbone="resnet18", implementation=way, **options)
    for name, parameter in model.named_parameters():
        if name.endswith(".lam"):
            nn.init.constant_(parameter, 0.5)
    return model


def largest_of_a_step(way: str, numbers: str) -> int:
    model = small(way).to(memory_format=torch.channels_last)
    dtype = torch.float64 if numbers == "float64" else torch.float32
    model.to(dtype)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    image, labels = torch.randn(1, 1, SIZE, SIZE, dtype=dtype), torch.zeros(1, SIZE, SIZE, dtype=torch.int64)
    with Largest() as largest:
        with autocast("cpu", "bf16-mixed" if numbers == "bf16-mixed" else "32-true"):
            output = model(image)
        objective(output, labels).total.backward()
        optimizer.step()
    return largest.numel


@pytest.mark.parametrize("numbers", ["32-true", "bf16-mixed", "float64"])
@pytest.mark.parametrize("way", ["auto", "chunked"])
def test_a_step_never_holds_a_map_of_all_positions(way, numbers):
    assert largest_of_a_step(way, numbers) < POSITIONS**2 / 2


@pytest.mark.parametrize("numbers", ["32-true", "bf16-mixed"])
def test_nor_does_the_fused_kernel(numbers):
    assert largest_of_a_step("fused", numbers) < POSITIONS**2 / 2


def test_the_plain_way_does():
    assert largest_of_a_step("plain", "32-true") >= POSITIONS**2
