"""The same numbers as MONAI where the definitions coincide, and the size of the difference where they do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import DiceMetric, HausdorffDistanceMetric, SurfaceDiceMetric, SurfaceDistanceMetric
from scipy import ndimage

from guided_attention.evaluation.overlap import (
    average_symmetric_surface_distance,
    dice,
    directed_surface_distances,
    hausdorff_distance_95,
    maximum_surface_distance,
    mean_surface_distance,
    normalised_surface_dice,
)
from guided_attention.evaluation.surfaces import surface

MM = (7.7, 1.25, 1.3)


def ellipsoid(centre, radii, shape=(14, 24, 26)):
    grid = np.indices(shape)
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


INSIDE = {
    "shifted": (ellipsoid((7, 11, 12), (4, 7, 6)), ellipsoid((6, 12, 13), (4, 7, 6))),
    "smaller": (ellipsoid((7, 11, 12), (2, 4, 5)), ellipsoid((7, 11, 12), (5, 8, 9))),
    "apart": (ellipsoid((4, 6, 6), (2, 4, 3)), ellipsoid((9, 17, 18), (2, 4, 5))),
    "far blob": (
        ellipsoid((7, 11, 10), (4, 7, 6)) | ellipsoid((2, 3, 23), (1, 1, 1)),
        ellipsoid((6, 12, 10), (4, 7, 6)),
    ),
}
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:monai")


def monai(metric, pred, ref, **options):
    as_batch = [torch.from_numpy(mask)[None, None].float() for mask in (pred, ref)]
    value = metric(*as_batch, **options)
    return float(value)


def monai_dice(pred, ref):
    return monai(DiceMetric(include_background=True), pred, ref)


def monai_surface(pred, ref, spacing, symmetric):
    metric = SurfaceDistanceMetric(include_background=True, symmetric=symmetric)
    return monai(metric, pred, ref, spacing=spacing)


def monai_hausdorff(pred, ref, spacing, percentile=None):
    return monai(HausdorffDistanceMetric(include_background=True, percentile=percentile), pred, ref, spacing=spacing)


def monai_surface_dice(pred, ref, spacing, tolerance):
    return monai(SurfaceDiceMetric([tolerance], include_background=True), pred, ref, spacing=spacing)


@pytest.mark.parametrize("spacing", [(1, 1, 1), MM], ids=["voxels", "mm"])
@pytest.mark.parametrize("name", INSIDE)
def test_equal_away_from_the_edge(name, spacing):
    # MONAI answers in float32, hence a relative 1e-6.
    pred, ref = INSIDE[name]
    assert dice(pred, ref) == pytest.approx(monai_dice(pred, ref), rel=1e-6)
    there, back = directed_surface_distances(pred, ref, spacing)
    assert there.mean() == pytest.approx(monai_surface(pred, ref, spacing, symmetric=False), rel=1e-6)
    assert back.mean() == pytest.approx(monai_surface(ref, pred, spacing, symmetric=False), rel=1e-6)
    pooled = monai_surface(pred, ref, spacing, symmetric=True)
    assert mean_surface_distance(pred, ref, spacing) == pytest.approx(pooled, rel=1e-6)
    farthest = monai_hausdorff(pred, ref, spacing)
    assert maximum_surface_distance(pred, ref, spacing) == pytest.approx(farthest, rel=1e-6)
    robust = monai_hausdorff(pred, ref, spacing, percentile=95)
    assert hausdorff_distance_95(pred, ref, spacing) == pytest.approx(robust, rel=1e-6)
    for tolerance in (0.9, 3.1):  # no distance between these voxels' centres
        theirs = monai_surface_dice(pred, ref, spacing, tolerance)
        assert normalised_surface_dice(pred, ref, tolerance, spacing) == pytest.approx(theirs, rel=1e-6)


def test_pooled_mean_is_not_the_mean_of_means():
    pred, ref = INSIDE["smaller"]
    means = [monai_surface(*pair, (1, 1, 1), symmetric=False) for pair in ((pred, ref), (ref, pred))]
    assert average_symmetric_surface_distance(pred, ref) == pytest.approx(np.mean(means), rel=1e-6)
    assert mean_surface_distance(pred, ref) - average_symmetric_surface_distance(pred, ref) > 0.05


def test_at_the_edge_monai_sees_more_surface():
    # Two slabs cut off by the volume, 2 and 3 voxels thick. Ours: one plane each, 1 apart. MONAI: the whole
    # hull, so most distances are 0: (9 + 25) / (50 + 66), counted by hand.
    thin, thick = np.zeros((2, 6, 5, 5), bool)
    thin[:2], thick[:3] = True, True
    assert mean_surface_distance(thin, thick) == 1.0
    assert monai_surface(thin, thick, (1, 1, 1), symmetric=True) == pytest.approx(34 / 116, rel=1e-6)


@pytest.mark.parametrize("spacing", [(1, 1, 1), MM], ids=["voxels", "mm"])
def test_with_background_around_the_volume_both_agree_again(spacing):
    shape = (8, 24, 26)
    pred, ref = ellipsoid((0, 11, 12), (4, 7, 6), shape), ellipsoid((0, 12, 13), (5, 7, 5), shape)
    theirs = monai_surface(pred, ref, spacing, symmetric=True)
    assert mean_surface_distance(pred, ref, spacing) > 1.1 * theirs
    padded = [np.pad(mask, 1) for mask in (pred, ref)]
    assert mean_surface_distance(*padded, spacing) == pytest.approx(theirs, rel=1e-6)


def test_surface_dice_by_voxels_and_by_area():
    """DeepMind's surface-distance, which MONAI has as subvoxels, gives a voxel the area of the surface through it."""

    def by_area(pred, ref, tolerance):
        metric = SurfaceDiceMetric([tolerance], include_background=True, use_subvoxels=True)
        return monai(metric, pred, ref, spacing=MM)

    whole, bitten = ellipsoid((7, 11, 12), (4, 7, 6)), ellipsoid((7, 11, 12), (4, 7, 6))
    bitten[:, :, 15:] = False
    assert normalised_surface_dice(whole, whole, 1.0, MM) == by_area(whole, whole, 1.0) == 1.0
    # Here the cut face has as much surface as the cap that is missing, within a few voxels.
    assert normalised_surface_dice(whole, bitten, 1.0, MM) == pytest.approx(by_area(whole, bitten, 1.0), abs=0.1)
    assert normalised_surface_dice(whole, bitten, 30.0, MM) == by_area(whole, bitten, 30.0) == 1.0


def test_surface_is_erosion_with_a_border_that_counts_as_inside():
    # The challenge's own definition of a border voxel, in SciPy's words.
    cross = ndimage.generate_binary_structure(3, 1)
    rng = np.random.default_rng(0)
    for fill in (0.3, 0.7, 0.95):
        mask = rng.random((9, 10, 11)) < fill
        eroded = ndimage.binary_erosion(mask, structure=cross, border_value=1)
        assert np.array_equal(surface(mask), mask & ~eroded)


def test_absent_organ_where_monai_has_infinity():
    organ = INSIDE["shifted"][0]
    nothing = np.zeros_like(organ)
    with pytest.warns(UserWarning, match="all 0"):
        assert monai_surface(nothing, organ, (1, 1, 1), symmetric=True) == float("inf")
    assert mean_surface_distance(nothing, organ) == pytest.approx(np.linalg.norm(organ.shape))


@pytest.mark.real_data
def test_equal_on_real_organs(real_data):
    import nibabel as nib

    file = sorted(real_data.glob("*_label.nii.gz"))[0]
    labels = np.asarray(nib.load(file).dataobj).transpose(2, 1, 0)
    worse = np.roll(labels, (2, 3), axis=(1, 2))
    worse[:, :, 100:103] = 0
    for organ in range(1, 5):
        pred, ref = worse == organ, labels == organ
        assert dice(pred, ref) == pytest.approx(monai_dice(pred, ref), rel=1e-6)
        theirs = monai_surface(pred, ref, MM, symmetric=True)
        assert mean_surface_distance(pred, ref, MM) == pytest.approx(theirs, rel=1e-6)
        farthest = monai_hausdorff(pred, ref, MM)
        assert maximum_surface_distance(pred, ref, MM) == pytest.approx(farthest, rel=1e-6)
        robust = monai_hausdorff(pred, ref, MM, percentile=95)
        assert hausdorff_distance_95(pred, ref, MM) == pytest.approx(robust, rel=1e-6)
        theirs = monai_surface_dice(pred, ref, MM, 3.0)
        assert normalised_surface_dice(pred, ref, 3.0, MM) == pytest.approx(theirs, rel=1e-6)
