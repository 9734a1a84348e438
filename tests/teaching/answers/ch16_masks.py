"""Right and wrong answers to the exercises of `chapters/16_masks.md`."""

import numpy as np
from scipy import ndimage

from guided_attention.teaching import check_edge_share, check_island_cost, check_keep_largest


def largest(mask, structure=None):
    parts, count = ndimage.label(mask, structure=structure)
    return parts == 1 + np.bincount(parts.ravel())[1:].argmax() if count else mask


def change(mask):
    mask[:] = largest(mask)
    return mask


def by_sizes(mask):
    parts, count = ndimage.label(mask)
    sizes = ndimage.sum_labels(mask, parts, range(1, count + 1))
    return np.isin(parts, [1 + int(np.argmax(sizes))] if count else []).astype(np.uint8)


ANSWERS = {
    check_edge_share: (
        [lambda r, w: 1 - (max(r - w, 0) / r) ** 2, lambda r, w: 1.0 if w >= r else w * (2 * r - w) / r**2],
        [
            (lambda r, w: 1 - ((r - w) / r) ** 3, "ball"),
            (lambda r, w: ((r - w) / r) ** 2, "share inside"),
            (lambda r, w: 1 - ((r - w) / r) ** 2, "all edge"),
            (lambda r, w: 2 * w / r, "expected 0.129"),
        ],
    ),
    check_island_cost: (
        [
            lambda v, s, m, d: (2 * v / (2 * v + m), m * d / (2 * s + m)),
            lambda v, s, m, d: [1 / (1 + m / (2 * v)), d / (1 + 2 * s / m)],
        ],
        [
            (lambda v, s, m, d: (v / (v + m), m * d / (2 * s + m)), "intersection over union"),
            (lambda v, s, m, d: (2 * v / (2 * v + m), m * d / (s + m)), "pools both directions"),
            (lambda v, s, m, d: (2 * v / (2 * v + m), d), "maximum"),
            (lambda v, s, m, d: (1.0, 0.0), "expected (0.9969, 1.48)"),
        ],
    ),
    check_keep_largest: (
        [largest, by_sizes],
        [
            (lambda m: m, "still there"),
            (change, "changes the mask"),
            (lambda m: largest(m)[1], "shape"),
            (lambda m: ndimage.label(m)[0] == np.bincount(ndimage.label(m)[0].ravel()).argmax(), "background"),
            (lambda m: np.stack([largest(s) for s in m]), "label in 3-D"),
            (lambda m: m & False, "You kept 0 voxels"),
            (lambda m: ndimage.label(m)[0] == 1, "You kept the island"),
            (lambda m: m if m.sum() == 0 else largest(m).astype(int) * 0 + m, "still there"),
        ],
    ),
}
