"""The published network, written down word for word: what the package's network is measured against.

Nothing here is clever. The N x N map of position attention is written down; each branch, query, key and value has a
convolution of its own; features are concatenated anew wherever the text says so; everything runs as it stands, one
operation after the other. It is a yardstick, so it stays as it is when the package becomes faster, and therefore shares
nothing with it but the names of the parameters: `state_dict` of one fits the other, and a test in double precision says
that both compute the same.

The options are those of the released code, because they make the arithmetic the authors': the concatenation
[F'_s, F_MS] goes straight into attention, one pair of encoder-decoders serves all scales, the energy of channel
attention is turned round (`entry="concat"`, `semantic="shared"`, `energy="released"`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.models.output import SegmentationOutput

#: Of the package's network, so that it is the one written here.
OPTIONS = {
    "backbone": "resnext101_32x8d",
    "entry": "concat",
    "semantic": "shared",
    "energy": "released",
}


@dataclass(frozen=True)
class Widths:
    """Channels of the backbone's first stage, of all scales, and of the encoder-decoders' levels."""

    backbone: int = 64
    scales: int = 64
    semantic: tuple[int, int, int] = (128, 256, 512)

    def options(self) -> dict[str, object]:
        """Return the arguments of `build_model` for the same network."""
        own = {"backbone_width": self.backbone, "channels": self.scales, "semantic_widths": self.semantic}
        return {**OPTIONS, **own}


def brick(inputs: int, outputs: int, size: int = 3) -> nn.Sequential:
    """Convolution, batch norm, PReLU."""
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.PReLU())


def resize(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class Block(nn.Module):
    """ResNeXt: 1x1, 3x3 in 32 groups, 1x1, and the shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        inner, outputs = width * 8 // 64 * 32, 4 * width
        self.conv1, self.bn1 = nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, groups=32, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class Backbone(nn.Module):
    """ResNeXt-101: Res-2 to Res-5."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, width, 7, 2, padding=3, bias=False), nn.BatchNorm2d(width)
        self.channels, inputs = [4 * width * 2**s for s in range(4)], width
        for s, depth in enumerate((3, 4, 23, 3)):
            first = Block(inputs, width * 2**s, 1 if s == 0 else 2)
            others = [Block(self.channels[s], width * 2**s, 1) for _ in range(depth - 1)]
            self.add_module(f"layer{s + 1}", nn.Sequential(first, *others))
            inputs = self.channels[s]

    def forward(self, x: Tensor) -> list[Tensor]:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        features = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


class Fusion(nn.Module):
    """F'_s at the resolution of scale 0, and F_MS."""

    def __init__(self, inputs: list[int], channels: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(brick(n, channels, 1) for n in inputs)
        self.fuse = brick(4 * channels, channels)

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        raw = [resize(reduce(f), features[0]) for reduce, f in zip(self.reduce, features, strict=True)]
        return raw, self.fuse(torch.cat(raw, dim=1))


class Position(nn.Module):
    """Eq. 2 and 3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key = nn.Conv2d(channels, channels // 8, 1), nn.Conv2d(channels, channels // 8, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.lam = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x).flatten(2), self.key(x).flatten(2), self.value(x).flatten(2)  # (B, c, N)
        weights = torch.softmax(torch.bmm(query.transpose(1, 2), key), dim=-1)  # (B, N, N)
        summed = torch.bmm(value, weights.transpose(1, 2))  # (B, C, N)
        return self.lam * summed.view_as(x) + x


class Channel(nn.Module):
    """Eq. 4 and 5, with the released code's energy."""

    def __init__(self) -> None:
        super().__init__()
        self.lam = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        f = x.flatten(2)
        energy = torch.bmm(f, f.transpose(1, 2))  # (B, C, C)
        weights = torch.softmax(energy.max(-1, keepdim=True)[0] - energy, dim=-1)
        return self.lam * torch.bmm(weights, f).view_as(x) + x


class Dual(nn.Module):
    """Fig. 2: both branches, each with convolutions of its own, summed."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.position = nn.Sequential(brick(inputs, channels), Position(channels), brick(channels, channels))
        self.channel = nn.Sequential(brick(inputs, channels), Channel(), brick(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.position(x) + self.channel(x)


class Semantic(nn.Module):
    """E and D of eq. 6 and 7."""

    def __init__(self, channels: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        a, b, c = widths
        pool = nn.MaxPool2d(2)
        self.encoder = nn.Sequential(self.two(channels, a), pool, self.two(a, b), pool, self.two(b, c))
        self.decoder = nn.ModuleList([self.two(c, b), self.two(b, a)])
        self.rebuild = nn.Conv2d(a, channels, 1)

    @staticmethod
    def two(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(brick(inputs, outputs), brick(outputs, outputs))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.encoder[0](x)
        second = self.encoder[2](self.encoder[1](first))
        latent = self.encoder[4](self.encoder[3](second))
        y = self.decoder[1](resize(self.decoder[0](resize(latent, second)), first))
        return latent, self.rebuild(y)


class Scale(nn.Module):
    """Fig. 3: two attention modules, each guided by an encoder-decoder."""

    def __init__(self, channels: int, semantic: tuple[nn.Module, nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(Dual(2 * channels, channels) for _ in range(2))
        self.autoencoders = nn.ModuleList(semantic)
        self.gates = nn.ModuleList(brick(2 * channels, channels) for _ in range(2))

    def forward(self, raw: Tensor, fused: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], list[tuple[Tensor, Tensor]]]:
        latent1, rebuilt1 = self.autoencoders[0](torch.cat([raw, fused], dim=1))
        first = self.steps[0](torch.cat([raw, fused], dim=1)) * self.gates[0](rebuilt1)
        latent2, rebuilt2 = self.autoencoders[1](torch.cat([raw, first * fused], dim=1))
        second = self.steps[1](torch.cat([raw, first * fused], dim=1)) * self.gates[1](rebuilt2)
        given1, given2 = torch.cat([raw, fused], dim=1), torch.cat([raw, first * fused], dim=1)
        return second, (latent1, latent2), [(given1, rebuilt1), (given2, rebuilt2)]


class LiteralNetwork(nn.Module):
    """Fig. 1: MS-Dual-Guided with the released code's options."""

    def __init__(self, widths: Widths = Widths(), classes: int = 5) -> None:
        super().__init__()
        channels = widths.scales
        self.backbone = Backbone(widths.backbone)
        self.fusion = Fusion(self.backbone.channels, channels)
        semantic = (Semantic(2 * channels, widths.semantic), Semantic(2 * channels, widths.semantic))
        self.scales = nn.ModuleList(Scale(channels, semantic) for _ in range(4))
        self.raw_heads = nn.ModuleList(nn.Conv2d(channels, classes, 1) for _ in range(4))
        self.attention_heads = nn.ModuleList(nn.Conv2d(channels, classes, 1) for _ in range(4))

    def forward(self, x: Tensor) -> SegmentationOutput:
        raw, fused = self.fusion(self.backbone(x))
        refined = [scale(f, fused) for scale, f in zip(self.scales, raw, strict=True)]
        from_raw = [resize(head(f), x) for head, f in zip(self.raw_heads, raw, strict=True)]
        from_attention = [resize(head(r[0]), x) for head, r in zip(self.attention_heads, refined, strict=True)]
        logits = sum(from_attention) / 4
        if not self.training:
            return SegmentationOutput(logits)
        return SegmentationOutput(
            logits,
            side_logits=(*from_raw, *from_attention),
            latents=tuple(r[1] for r in refined),
            reconstructions=tuple(pair for r in refined for pair in r[2]),
        )


def literal_objective(output: SegmentationOutput, labels: Tensor) -> Tensor:
    """Eq. 6 to 11 with the paper's weights, distances as means."""
    segmentation = sum(functional.cross_entropy(logits, labels) for logits in output.side_logits)
    guided = sum(functional.mse_loss(a, b) for a, b in output.latents)
    rebuilt = sum(functional.mse_loss(a, b) for a, b in output.reconstructions)
    return segmentation + 0.25 * guided + 0.1 * rebuilt


def literal_step(network: nn.Module, optimizer: torch.optim.Optimizer, image: Tensor, labels: Tensor) -> None:
    """One training step."""
    loss = literal_objective(network(image), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
