"""The paper's building brick, convolution, batch norm and PReLU, with a training step that keeps less and waits less.

Taken apart, the three keep two maps for the backward pass that nobody else needs: what enters batch norm, and what
enters PReLU. The second follows from the first by one multiplication and addition, so it is made again going backward.
The derivative of PReLU is put together here from vectorised kernels, because PyTorch's own is a loop over single
numbers on processors: ten times slower than the rest of the brick's activation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ConvNormAct"]


class ConvNormAct(nn.Sequential):
    """Convolution that keeps the resolution, batch norm, PReLU; no bias, which batch norm would take away again.

    Its three children compute as they are in evaluation, and wherever no gradient is asked for. Hooks on the second
    and third are not called in a training step.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    size : int
        Of the convolution's kernel, odd.

    Notes
    -----
    Shape (B, inputs, H, W) -> (B, outputs, H, W).
    """

    def __init__(self, inputs: int, outputs: int, size: int = 3) -> None:
        convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outputs), nn.PReLU())

    def __getitem__(self, index: int | slice) -> nn.Module:
        """Return a child, or for a slice an ordinary `nn.Sequential` of those children, which share their weights."""
        if isinstance(index, slice):
            return nn.Sequential(*list(self)[index])
        return super().__getitem__(index)

    def forward(self, x: Tensor) -> Tensor:
        """Return the brick's features."""
        norm, act = self[1], self[2]
        plain = type(norm) is nn.BatchNorm2d and norm.momentum is not None and type(act) is nn.PReLU
        if not (plain and norm.training and torch.is_grad_enabled()):
            return super().forward(x)
        x = self[0](x)
        if x.numel() == x.shape[1]:  # one value for each channel: batch norm says so
            return act(norm(x))
        norm.num_batches_tracked.add_(1)
        return _NormAct.apply(
            x, norm.weight, norm.bias, act.weight, norm.running_mean, norm.running_var, norm.momentum, norm.eps
        )


class _NormAct(torch.autograd.Function):
    """Batch norm over the batch, then PReLU with one slope; keeps the input and the batch's statistics alone."""

    @staticmethod
    def forward(
        ctx,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        slope: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
    ) -> Tensor:
        y, mean, scale = torch.native_batch_norm(x, weight, bias, running_mean, running_var, True, momentum, eps)
        ctx.save_for_backward(x, weight, bias, slope, mean, scale)
        ctx.eps = eps
        return torch.prelu(y, slope.to(y.dtype))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, slope, mean, scale = ctx.saved_tensors
        variance = scale.pow(-2) - ctx.eps
        y, *_ = torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, ctx.eps)
        grad = torch.empty_like(y).copy_(grad) if grad.stride() != y.stride() else grad
        rising = torch.ops.aten.threshold_backward(grad, y, 0)  # the gradient where y > 0, else 0
        falling = grad - rising
        grad_slope = y.mul_(falling).sum(dtype=slope.dtype).view_as(slope)
        grad_y = rising.add_(falling.mul_(slope.squeeze()))
        grad_x, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            grad_y, x, weight, None, None, mean, scale, True, ctx.eps, [True, True, True]
        )
        return grad_x, grad_weight, grad_bias, grad_slope, None, None, None, None
