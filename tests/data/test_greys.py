"""Normalisation: each against an independent statement in float64; a bright object moves the organs, or does not."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.transforms import NormalizeIntensity, ScaleIntensityRange

from benchmarks.normalisation import OBJECTS
from guided_attention.data import InputSettings, Volume, normalise
from guided_attention.data.greys import NORMALISATIONS
from guided_attention.errors import DataError, SettingsError

MEASURED = json.loads((Path(__file__).parents[2] / "results" / "normalisation.json").read_text())

CLIPPED = ("percentile", "halves", "ct")


def an_image(shape=(5, 20, 16), seed=0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2, 100, shape).astype(np.float32)


def a_body(bright: bool = False) -> np.ndarray:
    """Air, an ellipse of fat with two organs in it, (24, 40, 40); and on the left something far brighter."""
    rng = np.random.default_rng(1)
    image = rng.rayleigh(4, (24, 40, 40))
    row, column = np.mgrid[:40, :40] - 19.5
    image[:, (row / 14) ** 2 + (column / 18) ** 2 < 1] += 150
    image[:, 14:22, 6:14] += 100
    image[:, 16:24, 22:26] += 350
    image += rng.normal(0, 10, image.shape)
    if bright:
        image[2:12, 9:27, 27:38] = rng.uniform(600, 2500, (10, 18, 11))
    return image.astype(np.float32)


def liver(grey: np.ndarray) -> float:
    return float(np.median(grey[:, 14:22, 6:14]))


def test_percentile():
    image = np.linspace(-50, 950, 1001, dtype=np.float32).reshape(7, 11, 13)
    out = normalise(image, "percentile")
    np.testing.assert_allclose(out.ravel(), np.clip((image.ravel() + 45) / 990, 0, 1), atol=1e-6)
    assert out.dtype == np.float32


def test_zscore_and_minmax():
    image = an_image()
    z = normalise(image, "zscore").astype(float)
    assert (z.mean(), z.std()) == pytest.approx((0, 1), abs=1e-5)
    m = normalise(image, "minmax")
    assert (m.min(), m.max()) == (0, 1)


def test_robust_leaves_out_what_is_far_brighter_than_the_body():
    image = a_body(bright=True).astype(np.float64)
    grey = sorted(image.ravel() - np.percentile(image, 0.5))
    rounds = 0
    while True:
        half = statistics.fmean(grey) / 2
        body = [g for g in grey if g > half]
        kept = [g for g in grey if g <= 4.5 * statistics.median(body)]
        if kept == grey:
            break
        grey, rounds = kept, rounds + 1
    assert rounds > 1  # without the brightest the median is a smaller one
    assert 550 < 4.5 * statistics.median(body) < 900  # organs count, nearly all of the object does not
    x = (image - np.percentile(image, 0.5)) / np.percentile(grey, 99.5)
    found = normalise(a_body(bright=True), "robust")
    np.testing.assert_allclose(found, (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1), atol=1e-4)


def test_robust_has_the_unit_of_percentile_where_nothing_stands_out():
    image = np.random.default_rng(0).uniform(50, 150, (4, 20, 20)).astype(np.float32)
    low, high = np.percentile(image.astype(float), (0.5, 99.5))
    np.testing.assert_allclose(np.arctanh(normalise(image, "robust")), (image - low) / (high - low), atol=1e-5)


def test_robust_tells_apart_what_it_leaves_out():
    image = a_body(bright=True)
    order = np.argsort(image, axis=None)[-100::20]
    assert (np.diff(normalise(image, "robust").ravel()[order]) > 1e-5).all()
    assert len(np.unique(normalise(image, "percentile").ravel()[order])) == 1


@pytest.mark.parametrize("columns", [40, 39])
def test_halves_takes_the_darker_half_of_the_median_slice(columns):
    image = a_body(bright=True)[..., :columns]
    low, middle = np.percentile(image.astype(float), 0.5), -(-columns // 2)
    highest = []
    for one in image.astype(float):
        highest.append(min(np.percentile(one[:, :middle], 99.9), np.percentile(one[:, columns - middle :], 99.9)))
    expected = np.clip((image - low) / (np.median(highest) - low), 0, 1)
    np.testing.assert_allclose(normalise(image, "halves"), expected, atol=1e-5)


def test_arcsinh_makes_the_median_of_the_body_its_unit():
    image = a_body().astype(np.float64)
    low = np.percentile(image, 0.5)
    x = (image - low) / (np.median(image[image > (image.mean() + low) / 2]) - low)
    np.testing.assert_allclose(normalise(a_body(), "arcsinh"), np.log(x + np.sqrt(x * x + 1)), atol=1e-5)


def test_nonzero_is_that_of_monai():
    image = an_image()
    image[:, :4] = 0
    expected = NormalizeIntensity(nonzero=True, dtype=np.float64)(image)
    found = normalise(image, "nonzero")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert not found[:, :4].any()


def test_ct_is_a_window_of_hounsfield_units():
    hounsfield = np.linspace(-1024, 3071, 4096, dtype=np.float32).reshape(16, 16, 16)
    window = ScaleIntensityRange(-160, 240, 0, 1, clip=True, dtype=np.float64)
    np.testing.assert_allclose(normalise(hounsfield, "ct"), window(hounsfield), atol=1e-6)
    assert (normalise(np.full((2, 3, 3), 40.0), "ct") == 0.5).all()


@pytest.mark.parametrize("how", [how for how in NORMALISATIONS if how != "ct"])
def test_units_of_the_scanner_do_not_matter(how):
    image = an_image()
    other = 3 * image if how == "nonzero" else 3 * image + 100  # which is nowhere 0
    np.testing.assert_allclose(normalise(image, how), normalise(other, how), atol=2e-4)
    before = image.copy()
    normalise(image, how)
    np.testing.assert_array_equal(image, before)
    assert not normalise(np.full((2, 3, 3), 7.0), how).any()
    assert not normalise(np.zeros((2, 3, 3)), how).any()


@settings(deadline=None, max_examples=60)
@given(
    how=st.sampled_from([how for how in NORMALISATIONS if how != "nonzero"]),
    values=st.lists(st.integers(-1000, 3000), min_size=12, max_size=12),
)
def test_brighter_stays_brighter(how, values):
    """Whatever the numbers are: finite, in the same order, and between 0 and 1 where it is said to be clipped."""
    image = np.array(values, np.float32).reshape(2, 2, 3)
    found = normalise(image, how)
    assert found.dtype == np.float32
    assert found.shape == image.shape
    assert np.isfinite(found).all()
    assert (np.diff(found.ravel()[np.argsort(image, axis=None)]) >= 0).all()
    assert how not in CLIPPED or (found.min() >= 0 and found.max() <= 1)


@pytest.mark.parametrize(
    ("how", "fooled"), [("percentile", True), ("zscore", True), ("robust", False), ("halves", False)]
)
def test_something_bright_moves_the_organs_or_not(how, fooled):
    """By more than a third of the distance to fat, or by less than a tenth."""
    clean, bright = normalise(a_body(), how), normalise(a_body(bright=True), how)
    contrast = liver(clean) - np.median(clean[:, 30:33, 15:25])
    moved = abs(liver(bright) - liver(clean)) / contrast
    assert moved > 1 / 3 if fooled else moved < 0.1


def test_an_organ_keeps_its_grey_from_slice_to_slice():
    """One scale for all slices: a bright slice beside a dark one is still brighter."""
    image = np.concatenate([a_body(), 0.5 * a_body()])
    for how in NORMALISATIONS:
        assert liver(normalise(image, how)[:24]) > liver(normalise(image, how)[24:]) or how == "ct"


class TestRecordedComparison:
    """What ``results/normalisation.json`` holds, and the book says because of it."""

    def test_no_test_subject_had_a_part_in_the_choice(self):
        tested = {subject for row in MEASURED["tests"] for subject in row["dice"]}
        seen = {s for row in MEASURED["greys"] for s in row["medians"]["clean"]}
        seen |= {s for row in MEASURED["trainings"] for s in row["dice"]["clean"]}
        assert len(tested) == 5
        assert not tested & (seen | set(MEASURED["subjects"]))

    def test_robust_is_the_best_in_the_worst_case_and_no_worse_in_the_usual_one(self):
        found = {row["normalisation"]: row["cross_entropy"] for row in MEASURED["greys"]}
        assert min(found, key=lambda how: max(found[how].values())) == "robust"
        assert found["robust"]["clean"] < found["percentile"]["clean"] + 0.01
        assert set(found) == set(NORMALISATIONS) - {"ct"}

    @pytest.mark.parametrize("how", ["robust", "halves"])
    def test_networks_find_organs_beside_bright_objects_and_lose_nothing_without(self, how):
        def mean(name, case):
            rows = [row["dice"][case] for row in MEASURED["trainings"] if row["trained"] == name]
            return np.mean([dice for row in rows for dice in row.values()])

        assert {row["part"] for row in MEASURED["trainings"] if row["trained"] == how} == {0, 1, 2}
        assert all(mean(how, case) > mean("percentile", case) + 0.05 for case in MEASURED["objects"])
        assert mean(how, "clean") > mean("percentile", "clean") - 0.01

    def test_every_number_comes_from_a_clean_commit(self):
        rows = [row for part in ("greys", "trainings", "tests") for row in MEASURED[part]]
        assert all(row["provenance"]["commit"] and row["provenance"]["dirty"] is False for row in rows)

    @pytest.mark.parametrize("name", MEASURED["objects"])
    def test_an_object_leaves_the_organs_alone_and_is_brighter_than_they_are(self, name):
        labels = np.zeros((24, 40, 40), np.uint8)
        labels[:, 16:24, 22:26] = 2
        scan = Volume(a_body(), labels, (7.0, 1.5, 1.5), "1")
        painted = OBJECTS[name].paint(scan)
        changed = painted.image != scan.image
        assert 0.02 < changed.mean() < 0.09
        assert not changed[labels == 2].any()
        assert painted.image[changed].min() > np.percentile(scan.image, 99.5)
        assert asdict(OBJECTS[name]) == {
            k: tuple(v) if isinstance(v, list) else v for k, v in MEASURED["objects"][name].items()
        }


def test_errors():
    with pytest.raises(SettingsError, match="normalisation='max'"):
        normalise(an_image(), "max")
    image = an_image()
    image[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        normalise(image)


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_settings_take_each(how):
    volume = Volume(a_body(), None, (7.0, 1.5, 1.5), "1")
    np.testing.assert_array_equal(InputSettings(40, normalisation=how).prepare(volume).image, normalise(a_body(), how))
