"""The phantom's anatomy: where things lie, how large they are, and how hard they are to tell apart."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from guided_attention.data import volume_digest
from guided_attention.data.phantom import (
    PRESETS,
    TISSUES,
    make_phantom,
    phantom_record,
    phantom_settings,
    tissue_number,
)
from guided_attention.data.phantom.anatomy import draw_anatomy
from guided_attention.data.phantom.geometry import draw_geometry
from guided_attention.data.phantom.scan import fractions
from guided_attention.data.phantom.settings import PhantomSettings
from guided_attention.data.phantom.shapes import Cut, Disc, Ellipsoid, HalfSpace, Tube, Union, rotation
from guided_attention.data.phantom.waves import Waves
from guided_attention.data.volume import CLASSES
from guided_attention.errors import SettingsError

LIVER, RIGHT, LEFT, SPLEEN = range(1, 5)


@pytest.fixture(scope="module")
def subjects():
    """The first six subjects of the small set, as they are written."""
    seeds = phantom_record(phantom_settings("small"), 0, "small")["subjects"]
    return [make_phantom(seed, PRESETS["small"], name) for name, seed in list(seeds.items())[:6]]


def centre(mask):
    return np.array([axis.mean() for axis in np.nonzero(mask)])


def test_organs_lie_where_they_belong(subjects):
    for subject in subjects:
        labels = subject.labels
        height = labels.shape[1]
        middle = np.argwhere(subject.tissue == tissue_number("cerebrospinal fluid")).mean(0)
        at = {c: centre(labels == c) for c in range(1, 5)}
        # column 0 is the patient's right
        assert at[RIGHT][2] < middle[2] < at[LEFT][2]
        assert at[LIVER][2] < middle[2] < at[SPLEEN][2]
        # kidneys lie in the back, before the spinal canal; the liver reaches higher than they do
        assert height * 0.4 < at[RIGHT][1] < middle[1]
        assert at[LIVER][1] < at[RIGHT][1]
        top = {c: np.flatnonzero((labels == c).any((1, 2))).max() for c in range(1, 5)}
        assert top[LIVER] > max(top[RIGHT], top[LEFT])
        assert at[SPLEEN][0] > at[LEFT][0]


def test_organ_volumes_are_those_of_adults(subjects):
    limits = {LIVER: (800, 2500), RIGHT: (80, 300), LEFT: (80, 300), SPLEEN: (80, 600)}
    for subject in subjects:
        millilitres = np.prod(subject.in_phase.spacing) / 1000
        for organ, (low, high) in limits.items():
            volume = (subject.labels == organ).sum() * millilitres
            assert low < volume < high, (subject.in_phase.subject, CLASSES[organ], volume)


def test_kidneys_and_spleen_are_absent_from_many_slices(subjects):
    for subject in subjects:
        for organ in (RIGHT, LEFT, SPLEEN):
            present = (subject.labels == organ).any((1, 2))
            assert 0.15 < present.mean() < 0.75, (subject.in_phase.subject, CLASSES[organ])
            # in one piece from bottom to top
            assert np.diff(np.flatnonzero(present)).max() == 1
        assert not (subject.labels > 0).any((1, 2)).all()


def test_labels_and_tissues_agree(subjects):
    inside = {
        LIVER: ("liver", "liver vessel"),
        RIGHT: ("kidney cortex", "kidney medulla", "renal sinus"),
        LEFT: ("kidney cortex", "kidney medulla", "renal sinus"),
        SPLEEN: ("spleen",),
    }
    for subject in subjects[:3]:
        for organ, names in inside.items():
            found = np.isin(subject.tissue[subject.labels == organ], [tissue_number(n) for n in names])
            # only border voxels may hold more of something else than of any one tissue of the organ
            assert found.mean() > 0.97, CLASSES[organ]


def test_subjects_differ(subjects):
    assert len({s.labels.shape for s in subjects}) > 2
    volumes = np.array([[(s.labels == c).sum() * np.prod(s.in_phase.spacing) for c in range(1, 5)] for s in subjects])
    assert (volumes.std(0) / volumes.mean(0) > 0.08).all()
    places = np.array([centre(s.labels == SPLEEN) / s.labels.shape for s in subjects])
    assert (places.std(0) > 0.005).all()


def best_dice_of_a_grey_window(image, mask):
    """Highest Dice that thresholds below and above can reach, over all pairs of 64 levels."""
    edges = np.quantile(image, np.linspace(0, 1, 65))
    edges[-1] += 1
    inside, whole = (np.cumsum(np.r_[0, np.histogram(values, edges)[0]]) for values in (image[mask], image))
    hits, taken = (c[None, :] - c[:, None] for c in (inside, whole))
    return (2 * hits / np.maximum(taken + mask.sum(), 1)).max()


def test_grey_alone_finds_no_organ(subjects):
    """Neighbours share their greys, so a network must learn shape and place."""
    for organ, limit in {LIVER: 0.85, RIGHT: 0.4, LEFT: 0.4, SPLEEN: 0.4}.items():
        for volume in ("in_phase", "t2_spir"):
            images = [getattr(s, volume) for s in subjects]
            scores = [best_dice_of_a_grey_window(v.image, v.labels == organ) for v in images]
            assert np.median(scores) < limit, (CLASSES[organ], volume, scores)


def organ_contrasts(image, labels):
    """Median grey of right kidney, left kidney and spleen relative to the liver's."""
    level = [np.median(image[labels == c]) for c in range(1, 5)]
    return np.array(level[1:]) / level[0]


@pytest.mark.real_data
def test_contrasts_of_t2_spir_are_those_of_real_images(subjects, real_data):
    import nibabel

    real = []
    for path in sorted(real_data.glob("*_image.nii.gz")):
        image, labels = (np.asarray(nibabel.load(p).dataobj) for p in (path, str(path).replace("_image", "_label")))
        real.append(organ_contrasts(image, labels))
    ours = np.array([organ_contrasts(s.t2_spir.image, s.labels) for s in subjects])
    # a real subject or two has a liver full of iron; the medians of both sets lie within a fifth of each other
    np.testing.assert_allclose(np.median(ours, 0), np.median(real, 0), rtol=0.2)


def test_fat_is_brightest_in_phase_and_dark_in_t2_spir(subjects):
    fat, muscle, liver = (tissue_number(n) for n in ("fat", "muscle", "liver"))
    for subject in subjects:
        level = {
            name: {t: np.median(getattr(subject, name).image[subject.tissue == t]) for t in (fat, muscle, liver)}
            for name in ("in_phase", "t2_spir")
        }
        assert level["in_phase"][fat] > level["in_phase"][liver]
        assert level["t2_spir"][fat] < level["t2_spir"][liver] * 1.2


def test_finer_sampling_gives_the_same_shares():
    """Partial volume: the shares that 2 x 2 x 2 points estimate are those of 6 x 6 x 8, border voxels apart."""
    rng = np.random.default_rng(5)
    anatomy = draw_anatomy(rng)
    size = {"matrix": 64, "large_matrix": 64, "slices": (8, 12), "slice_distance": (18, 20)}
    coarse = PhantomSettings(**size, through_plane_samples=2)
    fine = PhantomSettings(**size, in_plane_samples=6, through_plane_samples=8)
    geometry = draw_geometry(rng, anatomy.body, coarse)
    z = geometry.heights()[4]
    (few, organ), (many, _) = (fractions(anatomy, geometry, z, s) for s in (coarse, fine))
    np.testing.assert_allclose(few.sum(-1), 1, atol=1e-6)
    assert np.abs(few - many).mean() < 0.004
    np.testing.assert_allclose(few.mean((0, 1)), many.mean((0, 1)), atol=0.004)
    mixed = (few.max(-1) < 1).mean()
    assert 0.02 < mixed < 0.6
    assert few.shape == (64, 64, len(TISSUES))
    assert organ.dtype == np.uint8


def test_air_around_the_body_and_twelve_bits(subjects):
    for subject in subjects:
        assert (subject.tissue[:, :3] == tissue_number("air")).all()
        for name in ("in_phase", "out_phase", "t2_spir"):
            image = getattr(subject, name).image
            assert image.min() >= 0
            assert image.max() <= 4095
            assert image.max() > 500
            assert image[:, :3].mean() < 0.1 * np.percentile(image, 99)


def test_same_seed_same_subject():
    one, again, other = (make_phantom(seed, PRESETS["tiny"]) for seed in (3, 3, 4))
    for name in ("in_phase", "out_phase", "t2_spir"):
        np.testing.assert_array_equal(getattr(one, name).image, getattr(again, name).image)
    np.testing.assert_array_equal(one.labels, again.labels)
    assert one.labels.shape != other.labels.shape or (one.labels != other.labels).any()


#: Of subject 7 of the tiny set: in phase, out of phase, T2-SPIR.
DIGESTS = ("6b66681c4eefe468", "790927938b24e7f8", "3a27081c7e443a41")
DIGEST_SCRIPT = """
from guided_attention.data import make_phantom, volume_digest
from guided_attention.data.phantom import phantom_settings
subject = make_phantom(7, phantom_settings("tiny"))
print(*map(volume_digest, (subject.in_phase, subject.out_phase, subject.t2_spir)))
"""


def test_the_same_subject_on_every_processor():
    """Also on one without wide vectors, as NumPy, its matrix products and the C library can be told to behave."""
    subject = make_phantom(7, PRESETS["tiny"])
    assert tuple(map(volume_digest, (subject.in_phase, subject.out_phase, subject.t2_spir))) == DIGESTS
    old = {
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "OPENBLAS_CORETYPE": "Prescott",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX2_Usable,-FMA_Usable",
    }
    command = [sys.executable, "-W", "ignore", "-c", DIGEST_SCRIPT]
    done = subprocess.run(command, env={**os.environ, **old}, capture_output=True, text=True, check=True)
    assert tuple(done.stdout.split()) == DIGESTS


def test_full_preset_has_the_sizes_of_chaos():
    rng_seeds = phantom_record(phantom_settings("full"), 0, "full")["subjects"].values()
    found = []
    for seed in rng_seeds:
        streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)]
        found.append(draw_geometry(streams[2], draw_anatomy(streams[0]).body, PRESETS["full"]))
    assert len(found) == 20
    assert {g.matrix for g in found} == {256, 288}
    assert sum(g.matrix == 256 for g in found) > 10
    for g in found:
        assert 26 <= g.slices <= 50
        assert 5.5 <= g.distance <= 9
        assert g.thickness < g.distance
        assert 1.36 <= g.spacing <= 1.89


@pytest.mark.parametrize(
    "change",
    [
        {"subjects": 0},
        {"matrix": 8},
        {"large_share": 2.0},
        {"slice_distance": (9.0, 5.0)},
        {"slices": (0, 3)},
        {"in_plane_samples": 0},
        {"through_plane_samples": 0},
        {"noise": -1.0},
        {"bias": -0.1},
    ],
)
def test_settings_that_cannot_work_are_refused(change):
    (name,) = change
    with pytest.raises(SettingsError, match=name):
        PhantomSettings(**change)


def points(n=4000, reach=40.0):
    return np.random.default_rng(0).uniform(-reach, reach, (3, n)).astype(np.float32)


def test_shapes_contain_what_they_should():
    x, y, z = p = points()
    turn = rotation(20, -35, 70)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    ball = Ellipsoid((1, 2, 3), (20, 20, 20), turn)
    distance = np.linalg.norm(p - np.array([[1], [2], [3]]), axis=0)
    np.testing.assert_allclose(ball.level(x, y, z), 20 - distance, atol=1e-3)
    egg = Ellipsoid((0, 0, 0), (10, 20, 30), turn)
    own = turn.T @ p
    np.testing.assert_array_equal(egg.level(x, y, z) > 0, ((own / [[10], [20], [30]]) ** 2).sum(0) < 1)
    tube = Tube(np.array([(-10.0, 0, 0), (10, 0, 0)]), np.array([5.0, 5]))
    np.testing.assert_allclose(
        tube.level(x, y, z), 5 - np.linalg.norm(p - [np.clip(x, -10, 10), 0 * x, 0 * x], axis=0), atol=1e-3
    )
    disc = Disc((0, 0, 0), (10, 10), 4)
    np.testing.assert_array_equal(disc.level(x, y, z) > 0, (np.hypot(x, y) < 10) & (np.abs(z) < 4))
    half = Cut(ball, (HalfSpace((0, 0, 0), (0, 0, 1)),), blend=1e-6)
    np.testing.assert_array_equal(half.level(x, y, z) > 0, (ball.level(x, y, z) > 0) & (z < 0))
    both = Union((ball, tube), blend=1e-6)
    np.testing.assert_array_equal(both.level(x, y, z) > 0, (ball.level(x, y, z) > 0) | (tube.level(x, y, z) > 0))
    for shape in (ball, egg, tube, disc, both):
        low, high = np.array(shape.box).T
        inside = p[:, shape.level(x, y, z) > 0]
        assert inside.size
        assert (inside.T >= low - 1e-3).all()
        assert (inside.T <= high + 1e-3).all()


def test_blending_only_adds_and_only_near_both():
    x, y, z = points()
    a, b = Ellipsoid((-12, 0, 0), (10, 10, 10)), Ellipsoid((12, 0, 0), (10, 10, 10))
    sharp, smooth = (Union((a, b), blend).level(x, y, z) for blend in (1e-6, 12))
    assert (smooth >= sharp - 1e-5).all()
    far = np.abs(a.level(x, y, z) - b.level(x, y, z)) > 12
    np.testing.assert_allclose(smooth[far], sharp[far], atol=1e-4)
    assert Union((a, b), 12).level(0.0, 0.0, 0.0) > sharp.dtype.type(0)


def test_waves_are_what_their_sum_says():
    waves = Waves(np.random.default_rng(1), 50, (30, 60))
    x, y = np.linspace(-150, 150, 301), np.linspace(-100, 100, 201)
    plane = waves.plane(x, y, 12.0)
    assert plane.shape == (201, 301)
    at = np.array([x[17], y[40], 12.0])
    expected = np.sqrt(2 / 50) * np.cos(waves.k.T @ at + waves.phase).sum()
    assert plane[40, 17] == pytest.approx(expected, abs=1e-4)
    assert plane.std() == pytest.approx(1, rel=0.15)
    lengths = 2 * np.pi / np.linalg.norm(waves.k, axis=0)
    assert lengths.min() >= 30
    assert lengths.max() <= 60
