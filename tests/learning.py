"""Which parameters can learn: what tests of gradients and of training have to know."""

from __future__ import annotations

from torch import Tensor, nn

from guided_attention.models.attention import PositionAttention
from guided_attention.training.losses import objective

#: Share of the largest gradient below which one is rounding. In float64 rounding leaves about 1e-18 of it, and the
#: smallest gradient that we know of, of a convolution before a batch norm of few values, is 2e-7 of it.
ROUNDING = 1e-13


def key_biases(network: nn.Module) -> set[str]:
    """Return the names of the parameters that cannot learn; `PositionAttention` says why."""
    modules = network.named_modules()
    return {f"{name}.key.bias" for name, module in modules if isinstance(module, PositionAttention)}


def without_gradient(network: nn.Module, images: Tensor, labels: Tensor) -> set[str]:
    """Return the names of the parameters on which the objective does not depend, but for rounding.

    Judged in float64, to which the network is brought: in float32 one cannot tell a gradient that is small from one
    that is rounding, and which of them are exactly 0 is up to the processor.
    """
    objective(network.double()(images.double()), labels).total.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    largest = {name: 0.0 if grad is None else float(grad.abs().max()) for name, grad in gradients.items()}
    assert all(grad is None or grad.isfinite().all() for grad in gradients.values())
    bound = ROUNDING * max(largest.values())
    return {name for name, size in largest.items() if size <= bound}
