"""Right and wrong answers to the exercises of `chapters/14_steps.md`."""

import numpy as np

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


ANSWERS = {
    check_two_steps: (
        [two_steps, flow(lambda raw, fused, first: first * fused + raw)],
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
            (lambda raw, fused, attend, gate: np.full((2, 2), 361.0), "expected 50"),
        ],
    ),
    check_atlas_share: (
        [lambda gate: gate.mean(0).var() / gate.var(), lambda gate: 1 - gate.var(0).mean() / gate.var()],
        [
            (lambda gate: gate.var(0).mean() / gate.var(), "the share that stays"),
            (lambda gate: gate.mean(0).var(), "divide by the variance"),
            (lambda gate: gate.mean(0).std() / gate.std(), "standard deviations"),
            (lambda gate: 0.8, "the share is 1"),
            (lambda gate: 3.0, "expected 0.8"),
            (lambda gate: 0.8 if len(gate) == 2 and gate.std(0).any() else 1.0, "of "),
        ],
    ),
}
