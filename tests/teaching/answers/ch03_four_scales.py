"""Right and wrong answers to the exercises of `chapters/03_four_scales.md`."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from guided_attention.models.backbone import ResNetFeatures
from guided_attention.teaching import check_bottleneck, check_multiplications, check_shrunk, check_top_down


def enlarge(x, size, mode="bilinear"):
    return functional.interpolate(x, size=size, mode=mode)


def enlarger(coarse, fine):
    """The shares of coarse pixels in fine ones, by enlarging each coarse pixel alone."""
    return functional.interpolate(torch.eye(coarse, dtype=torch.float64)[None], size=fine, mode="linear")[0].T


def shrunk(x, h, w):
    down, across = (torch.linalg.pinv(enlarger(n, size)) for n, size in ((h, x.shape[2]), (w, x.shape[3])))
    return down @ x @ across.T


def solved(x, h, w):
    whole = torch.kron(enlarger(h, x.shape[2]), enlarger(w, x.shape[3]))
    return torch.linalg.lstsq(whole, x.flatten(2).flatten(0, 1).T).solution.T.reshape(*x.shape[:2], h, w)


def top_down(maps):
    carried = maps[-1]
    for finer in reversed(maps[:-1]):
        carried = enlarge(carried, finer.shape[2:]) + finer
    return carried


def recursive(maps):
    if len(maps) == 1:
        return maps[0]
    return maps[0] + enlarge(recursive(maps[1:]), maps[0].shape[2:])


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, bias=False, norm=nn.BatchNorm2d, inner=torch.relu, after=torch.relu, add=True):
        super().__init__()
        outputs = 4 * width
        self.fit = nn.Identity()
        if inputs != outputs:
            self.fit = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        convs = (
            nn.Conv2d(inputs, width, 1, bias=bias),
            nn.Conv2d(width, width, 3, padding=1, bias=bias),
            nn.Conv2d(width, outputs, 1, bias=bias),
        )
        self.convs = nn.ModuleList(convs)
        self.norms = nn.ModuleList(norm(conv.out_channels) for conv in convs)
        self.inner, self.after, self.add = inner, after, add

    def forward(self, x):
        y = x
        for n, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y = norm(conv(y))
            y = self.inner(y) if n < 2 else y
        return self.after(y + self.fit(x)) if self.add else self.after(y)


def packaged(inputs, width):
    """The package's own: the first block of a stage brings its shortcut, the second has none."""
    if inputs != 4 * width:
        return Bottleneck(inputs, width)
    blocks = ResNetFeatures("resnet50", width=8).layer1
    block = type(blocks[1]).__new__(type(blocks[1]))
    nn.Module.__init__(block)
    block.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
    block.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
    block.conv3 = nn.Conv2d(width, inputs, 1, bias=False)
    block.bn1, block.bn2, block.bn3 = nn.BatchNorm2d(width), nn.BatchNorm2d(width), nn.BatchNorm2d(inputs)
    block.relu, block.downsample = nn.ReLU(), None
    return block


class Early(Bottleneck):
    def forward(self, x):
        y = x
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y = norm(conv(y)).relu()
        return y + self.fit(x)


class Stumbling(Bottleneck):
    def forward(self, x):
        return self.convs[0](x) + x[:, :1, :2]


class Listing(Bottleneck):
    def forward(self, x):
        return [x]


ANSWERS = {
    check_multiplications: (
        [
            lambda i, o, n, size: (i * o * n**2, i * o * size**2),
            lambda i, o, n, size: i * o * np.array([n, size]) ** 2,
        ],
        [
            (lambda i, o, n, size: (i * o * size**2, i * o * n**2), "other way round"),
            (lambda i, o, n, size: (n**2, size**2), "positions only"),
            (lambda i, o, n, size: (i * o * n, i * o * size), "not n"),
            (lambda i, o, n, size: ((i + o) * n**2, (i + o) * size**2), "all of the inputs"),
            (lambda i, o, n, size: (9 * i * o * n**2, 9 * i * o * size**2), "3x3"),
            (lambda i, o, n, size: (i * o * n**2, 2 * i * o * size**2), r"gave 131072 and 1\.67772e\+07"),
            (lambda i, o, n, size: i * o * n**2, "expected 2 numbers"),
        ],
    ),
    check_shrunk: (
        [shrunk, solved, lambda x, h, w: shrunk(x, h, w).float()],
        [
            (lambda x, h, w: x[:, :, :: x.shape[2] // h, :: x.shape[3] // w][:, :, :h, :w], "mixtures"),
            (lambda x, h, w: functional.adaptive_avg_pool2d(x, (h, w)), "averages over blocks"),
            (lambda x, h, w: enlarge(x, (h, w)), "Interpolating back"),
            (lambda x, h, w: shrunk(x, h, w).transpose(2, 3), "changed places"),
            (lambda x, h, w: x, "as it came"),
            (lambda x, h, w: shrunk(x, h, w)[0], r"shape \(2, 3, 4, 4\), found \(3, 4, 4\)"),
            (lambda x, h, w: 2 * shrunk(x, h, w), "off by up to"),
        ],
    ),
    check_top_down: (
        [top_down, recursive],
        [
            (lambda maps: sum(enlarge(one, maps[0].shape[2:]) for one in maps), "one leap"),
            (lambda maps: maps[0] + enlarge(maps[1], maps[0].shape[2:]), "Only the two finest"),
            (lambda maps: torch.cat([enlarge(one, maps[0].shape[2:]) for one in maps], 1), "side by side"),
            (lambda maps: maps[0], "finest map alone"),
            (lambda maps: enlarge(maps[-1], maps[0].shape[2:]), "coarsest map"),
            (lambda maps: top_down(maps) / len(maps), "mean"),
            (lambda maps: maps[0] + enlarge(maps[1] + enlarge(maps[2], (6, 4), "nearest"), (12, 8)), "off by up to"),
            (
                lambda maps: maps[0] + enlarge(maps[1] + enlarge(maps[2], (6, 4), "nearest"), (12, 8), "nearest"),
                "repeating pixels",
            ),
            (lambda maps: sum(maps), "raised RuntimeError"),
        ],
    ),
    check_bottleneck: (
        [Bottleneck, packaged],
        [
            (lambda i, w: Bottleneck(i, w, bias=True), "bias=False"),
            (lambda i, w: Bottleneck(i, w, norm=nn.Identity), "batch norms"),
            (lambda i, w: Bottleneck(i, w, inner=nn.Identity()), "no ReLUs between"),
            (lambda i, w: Bottleneck(i, w, after=nn.Identity()), "last ReLU is missing"),
            (lambda i, w: Bottleneck(i, w, add=False), "shortcut is missing"),
            (Early, "not before it"),
            (lambda i, w: Bottleneck(i, 2 * w), "convolutions with weights"),
            (Stumbling, "The module raised RuntimeError"),
            (Listing, "The module returned list"),
            (lambda i, w: nn.Identity(), "convolutions with weights"),
            (lambda i, w: Bottleneck(i, w, after=lambda y: 2 * y.relu()), "off by up to"),
        ],
    ),
}
