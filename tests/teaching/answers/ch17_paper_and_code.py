"""Right and wrong answers to the exercises of `chapters/17_paper_and_code.md`."""

import numpy as np

from guided_attention.teaching import check_halvings, check_pooled_dice, check_pulls


def halvings(best, epochs):
    return [e for e in range(epochs) if e % (best[e] + 50) == 0]


def by_text(best, epochs):
    return [e for e in range(epochs) if e > best[e] and (e - best[e]) % 50 == 0]


def of_the_end(best, epochs):
    return [e for e in range(epochs) if e % (best[-1] + 50) == 0]


def pooled(pairs):
    return 2 * sum((p & r).sum() for p, r in pairs) / sum(p.sum() + r.sum() for p, r in pairs)


def flattened(pairs):
    p, r = (np.concatenate([pair[n].ravel() for pair in pairs]) for n in (0, 1))
    return np.float32(2 * np.count_nonzero(p * r) / (p.sum() + r.sum()))


def by_autograd(first, second, stop):
    first.requires_grad_(not stop)
    second.requires_grad_()
    (first - second).pow(2).mean().backward()
    return [0.0 if stop else first.grad.norm().item(), second.grad.norm().item()]


def by_hand(first, second, stop):
    pull = 2 * (first - second).norm() / first.numel()
    return (0.0 * pull if stop else pull), pull


def scaled(factor):
    return lambda first, second, stop: tuple(factor * p for p in by_hand(first, second, stop))


ANSWERS = {
    check_halvings: (
        [halvings, lambda best, epochs: np.flatnonzero(np.arange(epochs) % (np.array(best[:epochs]) + 50) == 0)],
        [
            (by_text, "the text's rule"),
            (lambda best, epochs: halvings(best, epochs)[1:], "multiple of everything"),
            (of_the_end, "best \\*so far\\*"),
            (lambda best, epochs: list(range(0, epochs, 50)), "forget the best one"),
            (lambda best, epochs: [0, 80, 160, 240], "a new best in every epoch"),
        ],
    ),
    check_pooled_dice: (
        [pooled, flattened],
        [
            (lambda pairs: np.mean([pooled([pair]) for pair in pairs]), "every \\*voxel\\*"),
            (lambda pairs: pooled(pairs) / 2, "count twice"),
            (lambda pairs: pooled(pairs) / (2 - pooled(pairs)), "intersection over union"),
            (lambda pairs: pooled(pairs[:1]), "expected 2"),
            (lambda pairs: 0.895, "expected 2"),
        ],
    ),
    check_pulls: (
        [by_autograd, by_hand],
        [
            (lambda first, second, stop: by_hand(first, second, False), "still moves"),
            (lambda first, second, stop: by_hand(first, second, stop)[:: -1 if stop else 1], "the one that learns"),
            (lambda first, second, stop: scaled(first.numel())(first, second, stop), "the loss is the mean"),
            (scaled(0.5), "half of it"),
            (lambda first, second, stop: (5.0, 5.0), "expected"),
        ],
    ),
}
