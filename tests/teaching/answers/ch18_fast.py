"""Right and wrong answers to the exercises of `chapters/18_fast.md`."""

import torch

from guided_attention.teaching import check_fold, check_least_seconds, check_query_gradient, check_speedup


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


def query_gradient(q, k, v, out, lse, grad):
    weights = (k.T @ q - lse).exp()
    return k @ (weights * (v.T @ grad - (grad * out).sum(0)))


def by_autograd(q, k, v, out, lse, grad):
    q = q.clone().requires_grad_()
    return torch.autograd.grad((grad * (v @ (k.T @ q).softmax(0))).sum(), q)[0].requires_grad_()


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
    check_query_gradient: (
        [query_gradient, by_autograd],
        [
            (lambda q, k, v, o, n, g: k @ ((k.T @ q - n).exp() * (v.T @ g)), "missing a term"),
            (lambda q, k, v, o, n, g: k @ ((k.T @ q).exp() * (v.T @ g - (g * o).sum(0))), "subtract lse"),
            (lambda q, k, v, o, n, g: k @ (v.T @ g - (g * o).sum(0)), "weights are missing"),
            (lambda q, k, v, o, n, g: -query_gradient(q, k, v, o, n, g), "sign"),
            (lambda q, k, v, o, n, g: (k.T @ q - n).exp() * (v.T @ g - (g * o).sum(0)), "product with the keys"),
            (lambda q, k, v, o, n, g: k @ ((k.T @ q - n).exp() * (v.T @ g - (g * o).sum())), "channels only"),
            (lambda q, k, v, o, n, g: query_gradient(q, k, v, o, n, g).T, "shape (3, 4), found (4, 3)"),
        ],
    ),
}
