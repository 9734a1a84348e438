"""Checkers of the chapter on guidance, step by step: right answers pass, and each usual mistake is named."""

import numpy as np
import pytest

from guided_attention.teaching import check_atlas_share, check_two_steps


def two_steps(raw, fused, attend, gate):
    first = attend(raw + fused) * gate(raw + fused)
    second = raw + first * fused
    return attend(second) * gate(second)


def flow(second_input, second=lambda x, attend, gate: attend(x) * gate(x), gated=True):
    """Return the data flow with another input of step 2, another step 2, or a first step without a gate."""

    def steps(raw, fused, attend, gate):
        first = attend(raw + fused) * (gate(raw + fused) if gated else 1)
        return second(second_input(raw, fused, first), attend, gate)

    return steps


def test_right_answers():
    assert check_two_steps(two_steps)
    assert check_atlas_share(lambda gate: gate.mean(0).var() / gate.var())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda raw, fused, attend, gate: attend(raw + fused) * gate(raw + fused), "product of step 1"),
        (flow(lambda raw, fused, first: first), "81"),
        (flow(lambda raw, fused, first: first * fused), "raw features are missing"),
        (flow(lambda raw, fused, first: raw + first), "has not met the fused features"),
        (flow(lambda raw, fused, first: fused + first), "multiply them"),
        (flow(lambda raw, fused, first: raw + first * fused, lambda x, attend, gate: attend(x)), "19: step 2"),
        (flow(lambda raw, fused, first: raw + first * fused, gated=False), "49"),
        (lambda raw, fused, attend, gate: np.float64(361), "shape"),
        (lambda raw, fused, attend, gate: raw * 7, "expected 361"),
        (lambda raw, fused, attend, gate: two_steps(raw, fused, attend, attend), "expected 50"),
    ],
)
def test_mistakes_with_the_flow(wrong, words):
    verdict = check_two_steps(wrong)
    assert not verdict
    assert words in verdict.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda gate: gate.var(0).mean() / gate.var(), "the share that stays"),
        (lambda gate: gate.mean(0).var(), "divide by the variance"),
        (lambda gate: gate.mean(0).std() / gate.std(), "standard deviations"),
        (lambda gate: 0.8, "the share is 1"),
        (lambda gate: 3.0, "expected 0.8"),
    ],
)
def test_mistakes_with_the_share(wrong, words):
    verdict = check_atlas_share(wrong)
    assert not verdict
    assert words in verdict.message
