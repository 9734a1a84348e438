"""Right and wrong answers to the exercises of `chapters/01_data.md`."""

import math

import numpy as np
import torch

from guided_attention.teaching import check_millilitres, check_out_of_phase, check_paired


def right_te(tesla):
    return 1000 * 0.5 / (3.4e-6 * 42.58e6 * tesla)


def right_paired(images, labels):
    alone = set(images) ^ set(labels)
    if alone:
        raise ValueError(f"without a partner: {alone}")
    return sorted(images, key=images.get)


def mute(images, labels):
    if set(images) != set(labels):
        raise ValueError("something is missing")
    return sorted(images, key=images.get)


def by_height(images, labels):
    for alone in [*(set(images) - set(labels)), *(set(labels) - set(images))]:
        raise ValueError(f"{alone} stands alone")
    return np.array([name for _, name in sorted((height, name) for name, height in images.items())])


ANSWERS = {
    check_out_of_phase: (
        [right_te, lambda tesla: 1e3 / (2 * 3.4 * 42.58) / tesla, lambda tesla: torch.tensor(right_te(tesla))],
        [
            (lambda t: 2 * right_te(t), "whole turn"),
            (lambda t: right_te(t) / 1000, "seconds"),
            (lambda t: right_te(1.5), "grows with the field"),
            (lambda t: 5.0, "half a turn"),
            (lambda t: right_te(1.5 if t == 3 else t), "at every field"),
        ],
    ),
    check_paired: (
        [right_paired, by_height],
        [
            (lambda i, k: sorted(i), "order of their names"),
            (lambda i, k: sorted(i, key=i.get, reverse=True), "head to feet"),
            (lambda i, k: [], "Expected"),
            (lambda i, k: sorted(i, key=i.get), "an image without a label went through"),
            (lambda i, k: right_paired(i, set(i) if set(k) > set(i) else k), "a label without an image went through"),
            (mute, "does not name"),
        ],
    ),
    check_millilitres: (
        [
            lambda labels, value, spacing: (labels == value).sum() * np.prod(spacing) / 1000,
            lambda labels, value, spacing: np.count_nonzero(labels == value) * math.prod(size / 10 for size in spacing),
        ],
        [
            (lambda a, v, s: (a == v).sum() * np.prod(s), "cubic millimetres"),
            (lambda a, v, s: (a == v).sum(), "number of voxels"),
            (lambda a, v, s: (a > 0).sum() * np.prod(s) / 1000, "every organ"),
            (lambda a, v, s: 0.0, "expected 0.96 ml"),
            (lambda a, v, s: 0.96, "expected 0.0073"),
            (lambda a, v, s: (a == v).sum() * 24 / 1000, "expected 0.0073"),
            (lambda a, v, s: max((a == v).sum(), 1) * np.prod(s) / 1000, "expected 0 ml"),
        ],
    ),
}
