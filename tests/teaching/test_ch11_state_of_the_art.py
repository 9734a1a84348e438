"""The checkers of the comparison chapter accept the right answer and name each typical mistake."""

import numpy as np
import pytest

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


def test_right_answers_pass():
    assert check_pareto(front(strictly))
    assert check_ece(lambda c, r, bins: sum(abs(gap) * share for gap, share in gaps(c, r, bins)))
    assert check_overshoot(lambda k, sigma, m: shared_luck(k, sigma / m**0.5).max(1).mean())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda cost, score: {max(score, key=score.get)}, "best score"),
        (lambda cost, score: set(cost) - front(strictly)(cost, score), "return the others"),
        (front(lambda c, s, o, m: c[o] <= c[m] and s[o] > s[m]), "strictly better"),
        (front(lambda c, s, o, m: c[o] < c[m] and s[o] >= s[m]), "does not save it"),
        (lambda cost, score: set(cost), "Nobody is dominated"),
        (front(no_worse), "dominate itself"),
        (lambda cost, score: {"a", "b"}, "expected ['a', 'b', 'e']"),
        (lambda cost, score: front(strictly)(cost, score) - {"y"}, "neither is strictly better"),
    ],
)
def test_front_names_the_mistake(wrong, reason):
    feedback = check_pareto(wrong)
    assert not feedback
    assert reason in feedback.message


def with_empty_bins(c, r, bins):
    index = np.ceil(c * bins) - 1
    return sum(abs(r[index == b].mean() - c[index == b].mean()) * (index == b).mean() for b in range(bins))


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (with_empty_bins, "empty bin"),
        (lambda c, r, bins: abs(sum(gap * share for gap, share in gaps(c, r, bins))), "absolute gaps"),
        (lambda c, r, bins: sum(abs(gap) for gap, _ in gaps(c, r, bins)), "adds the bins up"),
        (lambda c, r, bins: sum(abs(gap) for gap, _ in gaps(c, r, bins)) / bins, "number of bins"),
        (lambda c, r, bins: np.mean([abs(gap) for gap, _ in gaps(c, r, bins)]), "every bin the same"),
        (lambda c, r, bins: 0.3, "expected 0.275"),
        (lambda c, r, bins: sum(abs(g) * s for g, s in gaps(c, r, 10)), "in 15 bins"),
    ],
)
def test_calibration_names_the_mistake(wrong, reason):
    feedback = check_ece(wrong)
    assert not feedback
    assert reason in feedback.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda k, sigma, m: shared_luck(k, sigma).max(1).mean(), "belongs to one subject"),
        (lambda k, sigma, m: shared_luck(k, sigma / m).max(1).mean(), "root of M"),
        (lambda k, sigma, m: shared_luck(k, sigma / m**0.5).mean(), "mean of all networks"),
        (lambda k, sigma, m: shared_luck(k, sigma / m**0.5).min(1).mean(), "the worst"),
        (lambda k, sigma, m: 1.0, "expected about 2.84"),
    ],
)
def test_overshoot_names_the_mistake(wrong, reason):
    feedback = check_overshoot(wrong)
    assert not feedback
    assert reason in feedback.message
