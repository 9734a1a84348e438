"""Right and wrong answers to the exercises of `chapters/05_channel_attention.md`."""

import math

import torch
from torch import nn
from torch.nn import functional

from guided_attention.teaching import (
    check_cosine_channels,
    check_gram_in_pieces,
    check_half_energies,
    check_loudest,
)


def gram(pieces):
    total = 0
    for piece in pieces:
        total = total + piece @ piece.T
    return total


def loops(pieces):
    whole = torch.cat(list(pieces), dim=1)
    return torch.tensor([[float(sum(a * b)) for b in whole] for a in whole])


def first_only(pieces):
    for piece in pieces:
        return piece @ piece.T


def last_only(pieces):
    for piece in pieces:
        total = piece @ piece.T
    return total


def softened(pieces):
    return gram(pieces).softmax(0)


class Cosine(nn.Module):
    def __init__(self, temperature, start=0.0, axis=2, ask=2, answer=2, values=False, add=True):
        super().__init__()
        self.lam = nn.Parameter(torch.full((1,), start))
        self.temperature, self.axis, self.ask, self.answer = temperature, axis, ask, answer
        self.values, self.add = values, add

    def forward(self, x):
        f = x.flatten(2)
        asks, answers = (f if dim is None else functional.normalize(f, dim=dim) for dim in (self.ask, self.answer))
        s = (self.temperature * asks @ answers.transpose(1, 2)).softmax(self.axis)
        heard = self.lam * s @ (functional.normalize(f, dim=2) if self.values else f)
        return heard.view_as(x) + (x if self.add else 0)


class Looped(nn.Module):
    def __init__(self, temperature):
        super().__init__()
        self.lam, self.temperature = nn.Parameter(torch.zeros(())), temperature

    def forward(self, x):
        out = x.clone()
        for image, result in zip(x, out, strict=True):
            for j, asks in enumerate(image):
                cosine = torch.stack([(asks * other).sum() / (asks.norm() * other.norm()) for other in image])
                result[j] += self.lam * torch.einsum("i,ihw->hw", (self.temperature * cosine).softmax(0), image)
        return out


class Without(Cosine):
    def forward(self, x):
        return x + (super().forward(x) - x) / self.lam


class Stumbling(Cosine):
    def forward(self, x):
        return x @ x


def plain_lam(temperature):
    module = nn.Identity()
    module.lam = 0.0
    return module


ANSWERS = {
    check_loudest: (
        [
            lambda size, stride: math.sqrt(65504) * stride / size,
            lambda size, stride: (torch.finfo(torch.float16).max / torch.tensor((size // stride) ** 2)).sqrt(),
        ],
        [
            (lambda size, stride: 65504 * (stride / size) ** 2, "energy over N"),
            (lambda size, stride: 65504**0.5, "That is the norm"),
            (lambda size, stride: 65504**0.5 / size, "one position"),
            (lambda size, stride: (65504 * stride / size) ** 0.5, "both directions"),
            (lambda size, stride: 256 * stride / size, "power of two"),
            (lambda size, stride: (torch.finfo(torch.bfloat16).max * (stride / size) ** 2) ** 0.5, "bfloat16"),
            (lambda size, stride: 1.0, "sum of N squares"),
        ],
    ),
    check_gram_in_pieces: (
        [gram, loops],
        [
            (lambda pieces: gram(pieces) / len(pieces), "That is a mean"),
            (lambda pieces: gram(pieces) / sum(p.shape[1] for p in pieces), "number of positions"),
            (last_only, "last piece alone"),
            (first_only, "return inside the loop"),
            (softened, "energies"),
            (lambda pieces: torch.cov(torch.cat(list(pieces), 1)), "off by up to"),
            (lambda pieces: gram([functional.normalize(torch.cat(list(pieces), 1), dim=1)]), "cosines"),
            (lambda pieces: gram([torch.stack([p.mean(1) for p in pieces], 1)]), "products come before sums"),
            (lambda pieces: sum(p.T @ p for p in pieces), "raised RuntimeError"),
            (lambda pieces: gram(pieces)[None], r"shape \(3, 3\), found \(1, 3, 3\)"),
        ],
    ),
    check_half_energies: (
        [
            lambda f: (f / f.shape[1] ** 0.25) @ (f / f.shape[1] ** 0.25).T,
            lambda f: (f.float() @ f.float().T / math.sqrt(f.shape[1])).half(),
            lambda f: (f / f.shape[1] ** 0.5) @ f.T,
        ],
        [
            (lambda f: f @ f.T / f.shape[1] ** 0.5, "overflowed"),
            (lambda f: f.float() @ f.float().T, "root of N is missing"),
            (lambda f: f.float() @ f.float().T / f.shape[1], "not by N"),
            (lambda f: f.float() @ f.float().T / f.shape[0] ** 0.5, "root of C"),
            (lambda f: (f.float() @ f.float().T)[0], r"shape \(4, 4\), found \(4,\)"),
            (lambda f: 1.1 * f.float() @ f.float().T / f.shape[1] ** 0.5, "off by up to"),
        ],
    ),
    check_cosine_channels: (
        [Cosine, Looped],
        [
            (lambda t: Cosine(1.0, ask=None, answer=None), "each by its norm before"),
            (lambda t: Cosine(t, answer=None), "only one of the two"),
            (lambda t: Cosine(t, ask=1, answer=1), "over its positions"),
            (lambda t: Cosine(t, values=True), "values were normalised"),
            (lambda t: Cosine(1.0), "temperature is missing"),
            (lambda t: Cosine(1 / t), "you divided"),
            (lambda t: Cosine(t, axis=1), "those who ask"),
            (lambda t: Cosine(t, add=False), "input is missing"),
            (Without, "lam is not in it"),
            (lambda t: Cosine(t, start=1.0), "starts at 1"),
            (plain_lam, "needs a parameter"),
            (Stumbling, "The module raised RuntimeError"),
            (lambda t: nn.Identity(), "needs a parameter"),
        ],
    ),
}
