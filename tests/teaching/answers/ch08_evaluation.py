"""Right and wrong answers to the exercises of `chapters/08_evaluation.md`."""

import numpy as np

from guided_attention.teaching import check_dice, check_msd_both, check_shell_dice


def right_dice(pred, ref):
    total = pred.sum() + ref.sum()
    return 2 * (pred & ref).sum() / total if total else float("nan")


def by_indices(pred, ref):
    a, b = ({*np.flatnonzero(mask)} for mask in (pred, ref))
    return np.float32(2 * len(a & b) / (len(a) + len(b))) if a or b else np.nan


ANSWERS = {
    check_dice: (
        [right_dice, by_indices],
        [
            (lambda p, r: (p & r).sum() / max((p | r).sum(), 1), "Jaccard"),
            (lambda p, r: (p & r).sum() / max(p.sum() + r.sum(), 1), "counts the common voxels twice"),
            (lambda p, r: (p == r).mean(), "16 and 8 voxels"),
            (lambda p, r: 2 * (p & r).sum() / (p.sum() + r.sum()) if p.any() else 1.0, "missed"),
            (lambda p, r: 2 * (p & r).sum() / max(p.sum() + r.sum(), 1), "neither a success nor a failure"),
            (lambda p, r: 2 / 3 if p.any() and r.any() else right_dice(p, r), "8 and 16 voxels with 4 in common"),
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
