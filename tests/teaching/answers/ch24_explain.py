"""Right and wrong answers to the exercises of `chapters/24_explain.md`."""

import numpy as np
import torch
from scipy import integrate, stats
from torch import nn

from guided_attention.teaching import check_area, check_deaf, check_rank_alike


def area(shares, values):
    return integrate.trapezoid(values, shares) / (shares[-1] - shares[0])


def in_a_loop(shares, values):
    total = 0.0
    for n in range(1, len(shares)):
        total += (shares[n] - shares[n - 1]) * 0.5 * (values[n] + values[n - 1])
    return total / (shares[-1] - shares[0])


def rank_alike(a, b):
    a, b = (np.asarray(m).ravel().argsort().argsort() for m in (a, b))
    return np.corrcoef(a, b)[0, 1]


def by_scipy(a, b):
    return stats.spearmanr(a.ravel(), b.ravel()).statistic


class Deaf(nn.Module):
    def __init__(self, channels, k, axis=1, whole=True, largest=True, added=True):
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 8, 1)
        self.key = nn.Conv2d(channels, channels // 8, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.lam = nn.Parameter(torch.zeros(()))
        self.k, self.axis, self.whole, self.largest, self.added = k, axis, whole, largest, added

    def forward(self, x):
        q, k, v = (conv(x).flatten(2) for conv in (self.query, self.key, self.value))
        s = (k.mT @ q).softmax(1)
        s = s.scatter(self.axis, s.topk(self.k, self.axis, largest=self.largest).indices, 0)
        s = s / s.sum(1, keepdim=True) if self.whole else s
        return self.lam * (v @ s).view_as(x) + (x if self.added else 0)


class ByLogits(Deaf):
    """Loud answers are silenced before the softmax, which then scales the rest by itself."""

    def forward(self, x):
        q, k, v = (conv(x).flatten(2) for conv in (self.query, self.key, self.value))
        logits = q.mT @ k  # (B, j, i)
        logits = logits.scatter(2, logits.topk(self.k, 2).indices, -torch.inf)
        return self.lam * (logits.softmax(2) @ v.mT).mT.reshape(x.shape) + x


ANSWERS = {
    check_area: (
        [area, in_a_loop],
        [
            (lambda shares, values: np.mean(values), "shares that are not even"),
            (lambda shares, values: integrate.trapezoid(values, shares), "Divide by the width"),
            (lambda s, v: np.dot(np.diff(s), v[:-1]) / (s[-1] - s[0]), "the earlier value"),
            (lambda s, v: np.dot(np.diff(s), v[1:]) / (s[-1] - s[0]), "the later value"),
            (lambda s, v: integrate.trapezoid(v, s) / s[-1], "the last share less the first"),
        ],
    ),
    check_rank_alike: (
        [rank_alike, by_scipy],
        [
            (lambda a, b: np.corrcoef(a.ravel(), b.ravel())[0, 1], "compare their ranks"),
            (lambda a, b: np.corrcoef(a.ravel().argsort(), b.ravel().argsort())[0, 1], "sort once more"),
            (lambda a, b: abs(by_scipy(a, b)), "opposite lists give -1"),
            (
                lambda a, b: np.corrcoef(a.argsort(1).argsort(1).ravel(), b.argsort(1).argsort(1).ravel())[0, 1],
                "over the whole map",
            ),
        ],
    ),
    check_deaf: (
        [Deaf, ByLogits],
        [
            (lambda channels, k: Deaf(channels, 0), "Nothing is lost"),
            (lambda channels, k: Deaf(channels, k, whole=k == 0), "scaled up to 1"),
            (lambda channels, k: Deaf(channels, k, largest=False), "the quietest"),
            (lambda channels, k: Deaf(channels, k, axis=2), "from each column j"),
            (lambda channels, k: Deaf(channels, k, added=k == 0), "F itself is missing"),
            (lambda channels, k: nn.Conv2d(channels, channels, 1), "do not fit"),
        ],
    ),
}
