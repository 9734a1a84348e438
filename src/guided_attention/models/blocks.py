"""Small parts that the networks of Table II share, and the checks of what they are given."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from guided_attention.errors import SettingsError

__all__ = ["NormOfFew", "conv_norm_relu", "enlarge", "init_he", "require_positive", "require_size", "two_convs"]


class NormOfFew(nn.BatchNorm2d):
    """Batch norm that also gets along with a single value for each channel.

    After global pooling a batch of one image has one value for each channel: no mean and no variance can be taken, and
    `torch.nn.BatchNorm2d` stops. Here such a batch is normalised by the running statistics, as in evaluation, and
    leaves them as they are. Everything else is `torch.nn.BatchNorm2d`, and so are the names of its state.

    Notes
    -----
    Shape (B, C, H, W) -> same.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x, (B, C, H, W)."""
        if self.training and x.numel() == x.shape[1]:
            return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


def conv_norm_relu(inputs: int, outputs: int, size: int = 3, norm: type[nn.Module] = nn.BatchNorm2d) -> nn.Sequential:
    """Convolution that keeps the resolution, batch norm, ReLU; no bias, which batch norm would take away again."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False), norm(outputs), nn.ReLU(inplace=True)
    )


def two_convs(inputs: int, outputs: int) -> nn.Sequential:
    """Return two 3x3 convolutions, each with batch norm and ReLU: one level of a U-Net."""
    return nn.Sequential(conv_norm_relu(inputs, outputs), conv_norm_relu(outputs, outputs))


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate (B, C, h, w) bilinearly to (B, C, *size)."""
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def init_he(network: nn.Module) -> None:
    """Draw the weights of all convolutions as U-Net does: normal, variance 2 / fan-in (He et al. 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def require_positive(network: str, **values: int) -> None:
    """Raise a `SettingsError` unless all values are whole numbers of at least 1."""
    for argument, value in values.items():
        if not isinstance(value, int) or value < 1:
            raise SettingsError(f"{network}: {argument}={value!r} must be a whole number of at least 1.")


def require_size(network: str, x: Tensor, least: int, multiple: int = 1) -> None:
    """Raise a `SettingsError` unless height and width of x suit the network.

    Parameters
    ----------
    network : str
        Who asks; begins the message.
    x : Tensor, (B, C, H, W)
        The input.
    least, multiple : int
        Height and width must be at least ``least``, and divisible by ``multiple``.
    """
    size = tuple(x.shape[2:])
    if all(n >= least and n % multiple == 0 for n in size):
        return
    fits = [max(least, -(-n // multiple) * multiple) for n in size]
    divisible = f" and divisible by {multiple}" if multiple > 1 else ""
    raise SettingsError(
        f"{network}: the input has {size[0]} x {size[1]} pixels; height and width must be at least {least}{divisible}. "
        f"Pad it to {fits[0]} x {fits[1]}, for example."
    )
