"""Right and wrong answers to the exercises of `chapters/15_state_of_the_art.md`."""

import numpy as np
from scipy.stats import norm

from guided_attention.teaching import check_ece, check_overshoot, check_pareto


def front(beats):
    return lambda cost, score: {m for m in cost if not any(beats(cost, score, o, m) for o in cost)}


def no_worse(cost, score, o, m):
    return cost[o] <= cost[m] and score[o] >= score[m]


def strictly(cost, score, o, m):
    return no_worse(cost, score, o, m) and (cost[o] < cost[m] or score[o] > score[m])


def gaps(confidence, correct, bins):
    """Signed gap and share of each filled bin."""
    index = np.ceil(confidence * bins)
    inside = [index == b for b in np.unique(index)]
    return [(correct[i].mean() - confidence[i].mean(), i.mean()) for i in inside]


def shared_luck(k, scale):
    return np.random.default_rng(0).normal(0, scale, (40_000, k))


def with_empty_bins(c, r, bins):
    index = np.ceil(c * bins) - 1
    return sum(abs(r[index == b].mean() - c[index == b].mean()) * (index == b).mean() for b in range(bins))


def cheapest_first(cost, score):
    kept, best, price = [], -np.inf, -np.inf
    for name in sorted(cost, key=lambda name: (cost[name], -score[name])):
        if score[name] > best or (score[name], cost[name]) == (best, price):
            kept, best, price = [*kept, name], score[name], cost[name]
    return kept


def digitized(confidence, correct, bins):
    which = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    gaps = np.bincount(which, correct, bins) - np.bincount(which, confidence, bins)
    return np.abs(gaps).sum() / len(which)


def integrated(k, sigma, m):
    z = np.linspace(-8, 8, 2001)
    return sigma / np.sqrt(m) * np.trapezoid(1 - norm.cdf(z) ** k - (z < 0), z)


ANSWERS = {
    check_pareto: (
        [front(strictly), cheapest_first],
        [
            (lambda cost, score: {max(score, key=score.get)}, "best score"),
            (lambda cost, score: set(cost) - front(strictly)(cost, score), "return the others"),
            (front(lambda c, s, o, m: c[o] <= c[m] and s[o] > s[m]), "strictly better"),
            (front(lambda c, s, o, m: c[o] < c[m] and s[o] >= s[m]), "does not save it"),
            (lambda cost, score: set(cost), "Nobody is dominated"),
            (front(no_worse), "dominate itself"),
            (lambda cost, score: {"a", "b"}, "expected ['a', 'b', 'e']"),
            (lambda cost, score: front(strictly)(cost, score) - {"y"}, "neither is strictly better"),
            (lambda cost, score: {"a", "b", "e"}, "neither is strictly better"),
        ],
    ),
    check_ece: (
        [lambda c, r, bins: sum(abs(gap) * share for gap, share in gaps(c, r, bins)), digitized],
        [
            (with_empty_bins, "empty bin"),
            (lambda c, r, bins: abs(sum(gap * share for gap, share in gaps(c, r, bins))), "absolute gaps"),
            (lambda c, r, bins: sum(abs(gap) for gap, _ in gaps(c, r, bins)), "adds the bins up"),
            (lambda c, r, bins: sum(abs(gap) for gap, _ in gaps(c, r, bins)) / bins, "number of bins"),
            (lambda c, r, bins: np.mean([abs(gap) for gap, _ in gaps(c, r, bins)]), "every bin the same"),
            (lambda c, r, bins: 0.3, "expected 0.275"),
            (lambda c, r, bins: sum(abs(g) * s for g, s in gaps(c, r, 10)), "in 15 bins"),
            (lambda c, r, bins: 0.275, "expected"),
        ],
    ),
    check_overshoot: (
        [lambda k, sigma, m: shared_luck(k, sigma / m**0.5).max(1).mean(), integrated],
        [
            (lambda k, sigma, m: shared_luck(k, sigma).max(1).mean(), "belongs to one subject"),
            (lambda k, sigma, m: shared_luck(k, sigma / m).max(1).mean(), "root of M"),
            (lambda k, sigma, m: shared_luck(k, sigma / m**0.5).mean(), "mean of all networks"),
            (lambda k, sigma, m: shared_luck(k, sigma / m**0.5).min(1).mean(), "the worst"),
            (lambda k, sigma, m: 1.0, "expected about 2.84"),
        ],
    ),
}
