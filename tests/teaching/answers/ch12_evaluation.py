"""Right and wrong answers to the exercises of `chapters/12_evaluation.md`."""

import numpy as np

from guided_attention.teaching import check_msd_both, check_shell_dice, check_slice_dice


def by_loop(pred, ref):
    scores = [2 * (p & r).sum() / (p.sum() + r.sum()) for p, r in zip(pred, ref, strict=True) if p.any() or r.any()]
    return sum(scores) / len(scores) if scores else float("nan")


def by_arrays(pred, ref):
    both, sizes = 2 * (pred & ref).sum((1, 2)), pred.sum((1, 2)) + ref.sum((1, 2))
    with np.errstate(invalid="ignore"):
        return np.float32(np.nanmean(both / sizes)) if sizes.any() else np.nan


def over(pred, ref, chosen, empty=0.0):
    """Mean over the slices that are chosen, where a slice without anything scores ``empty``."""
    scores = [by_loop(p[None], r[None]) for p, r in zip(pred, ref, strict=True) if chosen(p.any(), r.any())]
    return np.mean([empty if np.isnan(score) else score for score in scores])


ANSWERS = {
    check_slice_dice: (
        [by_loop, by_arrays],
        [
            (lambda p, r: 2 * (p & r).sum() / max(p.sum() + r.sum(), 1), "of the volume"),
            (lambda p, r: over(p, r, lambda p, r: True), "as 0"),
            (lambda p, r: over(p, r, lambda p, r: True, empty=1.0), "as 1"),
            (lambda p, r: over(p, r, lambda p, r: r), "an error that costs nothing"),
            (lambda p, r: over(p, r, lambda p, r: p), "missing would cost nothing"),
            (lambda p, r: over(p, r, lambda p, r: p and r), "is gone"),
            (lambda p, r: by_loop(p, r) if r.any() else 1.0, "neither a success nor a failure"),
        ],
    ),
    check_shell_dice: (
        [lambda r, t: 2 * (r - t) ** 3 / (r**3 + (r - t) ** 3), lambda r, t: 2 / (1 + (r / (r - t)) ** 3)],
        [
            (lambda r, t: 2 * (r - t) ** 2 / (r**2 + (r - t) ** 2), "discs"),
            (lambda r, t: (r - t) ** 3 / r**3, "sensitivity"),
            (lambda r, t: 0.939, "expected"),
        ],
    ),
    check_msd_both: (
        [lambda dz: (dz, 7.7 * dz), lambda dz: np.array([1.0, 7.7]) * dz],
        [
            (lambda dz: (dz, 1.25 * dz), "size of a pixel"),
            (lambda dz: (7.7 * dz, 7.7 * dz), "first number is in voxels"),
            (lambda dz: (np.float64(1), 7.7), "msd_both(3)"),
            (lambda dz: (7.7 * dz, dz), "first number is in voxels"),
        ],
    ),
}
