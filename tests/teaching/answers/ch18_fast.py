"""Right and wrong answers to the exercises of `chapters/18_fast.md`."""

import torch

from guided_attention.teaching import check_fold, check_least_seconds, check_speedup


def joined(w, scale, bias):
    return torch.cat([w.flatten(1) * scale[:, None], bias[:, None]], 1)


def fold(w, gamma, beta, mean, var, eps):
    scale = gamma / (var + eps).sqrt()
    return joined(w, scale, beta - mean * scale)


def by_rows(w, gamma, beta, mean, var, eps):
    spread = (var + eps) ** 0.5
    rows = [
        torch.cat([g * k.flatten() / s, (b - m * g / s)[None]])
        for k, g, b, m, s in zip(w, gamma, beta, mean, spread, strict=True)
    ]
    return torch.stack(rows)


ANSWERS = {
    check_fold: (
        [fold, by_rows],
        [
            (lambda w, g, b, m, v, e: joined(w, g / (v + e), b - m * g / (v + e)), "root of var"),
            (lambda w, g, b, m, v, e: fold(w, g, b, m, v, 0), "eps is missing"),
            (lambda w, g, b, m, v, e: joined(w, g / (v + e).sqrt(), b - m), "is scaled, too"),
            (lambda w, g, b, m, v, e: fold(w, g, b, -m, v, e), "not added"),
            (lambda w, g, b, m, v, e: fold(w, g, b, 0 * m, v, e), "mean is missing"),
            (lambda w, g, b, m, v, e: w, "Expected the shape"),
        ],
    ),
    check_least_seconds: (
        [lambda o, m, p, c: max(o / p, m / c), lambda o, m, p, c: o / min(p, c * o / m)],
        [
            (lambda o, m, p, c: o / p + m / c, "the sum"),
            (lambda o, m, p, c: min(o / p, m / c), "faster of the two"),
            (lambda o, m, p, c: min(p, c * o / m), "is a speed"),
            (lambda o, m, p, c: o / p, "faster of the two"),
        ],
    ),
    check_speedup: (
        [lambda s, k: 1 / (1 - s + s / k), lambda s, k: k / (k - s * (k - 1))],
        [
            (lambda s, k: k, "part's own"),
            (lambda s, k: 1 - s + s * k, "mean of speeds"),
            (lambda s, k: 1 - s + s / k, "one over it"),
        ],
    ),
}
