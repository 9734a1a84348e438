"""ResNet features at four scales (He et al. 2016; Xie et al. 2017), with torchvision's parameter names.

torchvision itself is not used: it ties the package to one exact build of torch. MONAI's ResNet has neither
torchvision's names nor grouped convolutions. The tests hold this one against MONAI's, weight for weight.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from guided_attention.errors import CheckpointError, require_choice

__all__ = ["BACKBONES", "ResNetFeatures", "load_imagenet_weights"]


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
_STAGE_WIDTHS = (64, 128, 256, 512)
#: Stride and dilation of the four stages, for each stride of the last map.
_STRIDES = {
    32: ((1, 1), (2, 1), (2, 1), (2, 1)),
    16: ((1, 1), (2, 1), (2, 1), (1, 2)),
    8: ((1, 1), (2, 1), (1, 2), (1, 4)),
}


def _conv(inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1, groups: int = 1) -> nn.Conv2d:
    padding = dilation * (size // 2)
    return nn.Conv2d(inputs, outputs, size, stride, padding, dilation, groups, bias=False)


class _Basic(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride, dilation)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, 3, dilation=dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class _Bottleneck(nn.Module):
    """1x1, 3x3 (perhaps in groups), 1x1 around a shortcut; the output is four times as wide."""

    def __init__(
        self, inputs: int, width: int, stride: int, dilation: int, shortcut: nn.Module | None, design: _Design
    ) -> None:
        super().__init__()
        inner = width * design.group_width // 64 * design.groups
        self.conv1 = _conv(inputs, inner, 1)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = _conv(inner, inner, 3, stride, dilation, design.groups)
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
    # A dilated stage keeps its predecessor's dilation in the first block, as torchvision does, so that weights fit.
    first = max(dilation // 2, 1)
    blocks = [block(inputs, width, stride, first, shortcut)]
    blocks += [block(outputs, width, 1, dilation, None) for _ in range(depth - 1)]
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

    Shape
    -----
    Input (B, in_channels, H, W); output a list of four (B, ``channels[s]``, H / 2^(s+2), W / 2^(s+2)) for stride 32.

    Notes
    -----
    Built in the chapter *Training the network*; the scales are fused by `MultiScaleFusion`.
    """

    def __init__(
        self,
        name: str = "resnet101",
        in_channels: int = 1,
        weights: str | Path | None = None,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        require_choice("backbone", name, BACKBONES)
        require_choice("output_stride", output_stride, tuple(_STRIDES))
        design = _DESIGNS[name]
        self.name = name
        expansion = 4 if design.bottleneck else 1
        block = partial(_Bottleneck, design=design) if design.bottleneck else _Basic
        self.channels: tuple[int, ...] = tuple(expansion * w for w in _STAGE_WIDTHS)
        self.conv1 = _conv(in_channels, 64, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = (64, *self.channels[:-1])
        for s, (stride, dilation) in enumerate(_STRIDES[output_stride]):
            stage = _stage(block, inputs[s], _STAGE_WIDTHS[s], self.channels[s], design.depths[s], stride, dilation)
            self.add_module(f"layer{s + 1}", stage)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if weights is not None:
            load_imagenet_weights(self, weights)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the four maps, finest first."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        features = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features


def load_imagenet_weights(backbone: ResNetFeatures, path: str | Path) -> None:
    """Copy torchvision's ImageNet weights from a file into a backbone, by name.

    The classifier ``fc`` is left out. The first convolution has three input channels there; for another number each
    channel gets the sum over red, green and blue divided by that number, so that a grey picture excites the filters
    as before.

    Raises
    ------
    CheckpointError
        If the file is missing or unreadable, or a weight is missing, unknown or of another shape.
    """
    path = Path(path)
    state = {name: value for name, value in _read_weights(path, backbone.name).items() if not name.startswith("fc.")}
    own = backbone.state_dict()
    first, wanted = state.get("conv1.weight"), own["conv1.weight"].shape
    if isinstance(first, Tensor) and first.shape[1:2] == (3,) and wanted[1] != 3:
        state["conv1.weight"] = (first.sum(1, keepdim=True) / wanted[1]).expand(wanted).clone()
    # Old files lack the counters of batch norm, which carry no weight.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    shapes = [name for name in own if name in state and own[name].shape != getattr(state[name], "shape", None)]
    if missing or unknown or shapes:
        raise CheckpointError(
            f"{path}: these are not the weights of {backbone.name}: {len(missing)} missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}, {len(shapes)} of another shape {shapes[:3]}."
        )
    backbone.load_state_dict(state, strict=False)


def _read_weights(path: Path, name: str) -> dict[str, Tensor]:
    """Read names and tensors of a file, and nothing else: code in a pickle is refused."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file; give torchvision's weights of {name}.") from None
    except pickle.UnpicklingError:
        # torch's own message explains how to run the code inside all the same: not what we want to advise.
        raise CheckpointError(
            f"{path}: not a file of plain weights, or one with code inside, which is refused; download "
            f"torchvision's weights of {name} again."
        ) from None
    except (OSError, EOFError, RuntimeError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: cannot be read as weights ({type(error).__name__}: {error}); download it again."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(k, str) for k in state):
        raise CheckpointError(f"{path}: expected a dictionary from names to weights, found {type(state).__name__}.")
    return state
