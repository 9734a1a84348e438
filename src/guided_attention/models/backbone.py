"""ResNet features at four scales (He et al. 2016; Xie et al. 2017), with torchvision's parameter names.

torchvision itself is not used: it ties the package to one exact build of torch. MONAI's ResNet has neither
torchvision's names nor grouped convolutions. The tests hold this one against MONAI's, weight for weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from guided_attention.errors import SettingsError, require_choice
from guided_attention.models.imagenet import load_imagenet_weights

__all__ = ["BACKBONES", "Block", "ResNetFeatures"]


@dataclass(frozen=True)
class _Design:
    """How deep each stage is, and of which block."""

    depths: tuple[int, int, int, int]
    bottleneck: bool = True
    groups: int = 1
    group_width: int = 64


_DESIGNS = {
    "resnet18": _Design((2, 2, 2, 2), bottleneck=False),
    "resnet34": _Design((3, 4, 6, 3), bottleneck=False),
    "resnet50": _Design((3, 4, 6, 3)),
    "resnet101": _Design((3, 4, 23, 3)),
    "resnext101_32x8d": _Design((3, 4, 23, 3), groups=32, group_width=8),
}
#: Names that `ResNetFeatures` knows.
BACKBONES = tuple(_DESIGNS)
#: Channels of the first stage; each further stage has twice as many.
_WIDTH = 64
#: Stride and dilation of the four stages, for each stride of the last map.
_STRIDES = {
    32: ((1, 1), (2, 1), (2, 1), (2, 1)),
    16: ((1, 1), (2, 1), (2, 1), (1, 2)),
    8: ((1, 1), (2, 1), (1, 2), (1, 4)),
}


def _conv(inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1, groups: int = 1) -> nn.Conv2d:
    padding = dilation * (size // 2)
    return nn.Conv2d(inputs, outputs, size, stride, padding, dilation, groups, bias=False)


class Block(nn.Module):
    """A residual block of either kind."""


class _Basic(Block):
    """Two 3x3 convolutions around a shortcut, each with its dilation."""

    def __init__(
        self, inputs: int, width: int, stride: int, dilations: tuple[int, int], shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride, dilations[0])
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, dilation=dilations[1])
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class _Bottleneck(Block):
    """1x1, 3x3 (perhaps in groups), 1x1 around a shortcut; the output is four times as wide."""

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int,
        dilations: tuple[int, int],
        shortcut: nn.Module | None,
        design: _Design,
    ) -> None:
        super().__init__()
        inner = width * design.group_width // 64 * design.groups
        self.conv1 = _conv(inputs, inner, 1)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = _conv(inner, inner, 3, stride, dilations[0], design.groups)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = _conv(inner, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def _stage(
    block: Callable[..., nn.Module],
    inputs: int,
    width: int,
    outputs: int,
    depth: int,
    stride: int,
    dilation: int,
) -> nn.Sequential:
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
    # Up to where it would have strided, a dilated stage keeps its predecessor's dilation (as in torchvision). Then it
    # contains what the strided stage computes, at every second position, and ImageNet weights keep their meaning.
    before = max(dilation // 2, 1)
    blocks = [block(inputs, width, stride, (before, dilation), shortcut)]
    blocks += [block(outputs, width, 1, (dilation, dilation), None) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


class ResNetFeatures(nn.Module):
    """The four feature maps of a ResNet, Res-2 to Res-5 (Fig. 1 of the paper), without its classifier.

    The paper's text names ResNet-101; its released code builds ResNeXt-101 32x8d. Both are here, the text's is the
    default.

    Parameters
    ----------
    name : str
        One of `BACKBONES`.
    in_channels : int
        Channels of the image; 1 for MRI.
    weights : path, optional
        A file of torchvision's ImageNet weights (``.pth`` or ``.safetensors``), see `load_imagenet_weights`. None: He
        initialisation.
    output_stride : {32, 16, 8}
        Stride of the last map. 16 and 8 dilate the last one or two stages instead of striding (DANet and PAN want
        that).
    width : int
        Channels of the first stage, a multiple of 8; each further stage has twice as many. Only 64, the published
        width, fits ``weights``. A thinner network is smaller and faster: 32 has a quarter of the weights.

    Raises
    ------
    SettingsError
        If an argument cannot work.
    CheckpointError
        If the weights do not fit.

    Shape
    -----
    Input (B, in_channels, H, W); output a list of four (B, ``channels[s]``, H / 2^(s+2), W / 2^(s+2)) for stride 32.

    Notes
    -----
    ResNet-18 is built in the chapter *Four scales, one map*, which fuses its scales as `MultiScaleFusion` does.
    """

    def __init__(
        self,
        name: str = "resnet101",
        in_channels: int = 1,
        weights: str | Path | None = None,
        output_stride: int = 32,
        width: int = _WIDTH,
    ) -> None:
        super().__init__()
        require_choice("backbone", name, BACKBONES)
        require_choice("output_stride", output_stride, tuple(_STRIDES))
        if width < 8 or width % 8:
            raise SettingsError(f"width: expected a multiple of 8, found {width}.")
        if weights is not None and width != _WIDTH:
            raise SettingsError(f"weights: {weights} is for a width of {_WIDTH}, found width={width}. Leave one out.")
        design = _DESIGNS[name]
        widths = tuple(width * 2**s for s in range(4))
        self.name = name
        expansion = 4 if design.bottleneck else 1
        block = partial(_Bottleneck, design=design) if design.bottleneck else _Basic
        self.channels: tuple[int, ...] = tuple(expansion * w for w in widths)
        self.conv1 = _conv(in_channels, width, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = (width, *self.channels[:-1])
        for s, (stride, dilation) in enumerate(_STRIDES[output_stride]):
            stage = _stage(block, inputs[s], widths[s], self.channels[s], design.depths[s], stride, dilation)
            self.add_module(f"layer{s + 1}", stage)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if weights is not None:
            load_imagenet_weights(self, name, weights)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the four maps, finest first."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        features = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features
