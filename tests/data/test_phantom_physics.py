"""The phantom's physics against other ways to say the same thing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guided_attention.data.phantom import (
    FAT_SHIFT_HZ,
    TISSUES,
    PhantomSettings,
    fat_water_magnitude,
    rician,
    spin_echo,
    spoiled_gradient_echo,
    tissue_number,
)
from guided_attention.data.phantom.geometry import Geometry
from guided_attention.data.phantom.scan import Protocol, expose, magnitudes, signals
from guided_attention.data.phantom.tissues import tissue_table, typical_table


def bloch_steady_state(t1: float, tr: float, flip: float) -> float:
    """Mz -> pulse -> spoil -> relax, again and again: transverse magnetisation right after the last pulse."""
    mz, alpha = 1.0, np.deg2rad(flip)
    for _ in range(20000):
        transverse, mz = mz * np.sin(alpha), mz * np.cos(alpha)
        mz = 1 + (mz - 1) * np.exp(-tr / t1)
    return transverse


@settings(deadline=None, max_examples=25)
@given(
    t1=st.floats(200, 3000),
    tr=st.floats(5, 2000),
    flip=st.floats(1, 90),
    te=st.floats(0, 20),
    t2star=st.floats(2, 100),
    pd=st.floats(0.1, 1),
)
def test_spoiled_gradient_echo_is_the_steady_state_of_the_bloch_equations(t1, tr, flip, te, t2star, pd):
    expected = pd * bloch_steady_state(t1, tr, flip) * np.exp(-te / t2star)
    assert spoiled_gradient_echo(pd, t1, tr, flip, te, t2star) == pytest.approx(expected, rel=1e-9)


def test_spoiled_gradient_echo_by_hand():
    # E1 = 1/2, flip 60 degrees: sin 60 * (1 - 1/2) / (1 - 1/4); half a T2* later by ln 2: half of it
    half = np.log(2)
    expected = 0.8 * np.sqrt(3) / 2 * 0.5 / 0.75 / 2
    assert spoiled_gradient_echo(0.8, 100, 100 * half, 60, 30 * half, 30) == pytest.approx(expected, rel=1e-12)


def test_the_ernst_angle_gives_most_signal():
    angles = np.linspace(1, 90, 8901)
    best = angles[np.argmax(spoiled_gradient_echo(1.0, 586.0, 115.0, angles, 0.0, 1.0))]
    assert best == pytest.approx(np.rad2deg(np.arccos(np.exp(-115 / 586))), abs=0.02)


def test_spin_echo_by_hand():
    assert spin_echo(1.0, 500, 80, 500 * np.log(2), 80 * np.log(4)) == pytest.approx(0.5 / 4, rel=1e-12)


@given(fraction=st.floats(0, 1))
@settings(deadline=None, max_examples=25)
def test_out_of_phase_over_in_phase_tells_the_fat_fraction(fraction):
    water, fat = 1 - fraction, fraction
    out = fat_water_magnitude(water, fat, 1e3 / (2 * FAT_SHIFT_HZ))
    back = fat_water_magnitude(water, fat, 1e3 / FAT_SHIFT_HZ)
    assert back == pytest.approx(1, abs=1e-9)
    assert out == pytest.approx(abs(1 - 2 * fraction), abs=1e-9)


def test_fat_and_water_as_ten_thousand_spins():
    # a third of the spins are fat; each turns at its own speed, and the coil sees their sum
    te, n = 2.3, 10_000
    speed = np.where(np.arange(n) < n // 4, FAT_SHIFT_HZ, 0.0)
    expected = abs(np.exp(2j * np.pi * speed * te * 1e-3).mean())
    assert fat_water_magnitude(0.75, 0.25, te) == pytest.approx(expected, rel=1e-9)


def test_fat_shift_at_one_and_a_half_tesla():
    assert 215 < FAT_SHIFT_HZ < 225
    protocol = Protocol()
    assert protocol.te_in == pytest.approx(1e3 / FAT_SHIFT_HZ, rel=0.02)
    assert protocol.te_out == pytest.approx(500 / FAT_SHIFT_HZ, rel=0.02)


@pytest.mark.parametrize("window", [None, np.fft.fftfreq(256)[:, None] ** 2 + np.fft.fftfreq(256)[None] ** 2 < 0.14])
def test_noise_without_signal_has_the_rayleigh_mean(window):
    noisy = rician(np.zeros((4, 256, 256), np.float32), 3.0, np.random.default_rng(0), window)
    assert noisy.dtype == np.float64
    assert noisy.mean() == pytest.approx(3 * np.sqrt(np.pi / 2), rel=5e-3)


def test_noise_on_strong_signal_is_nearly_gaussian():
    noisy = rician(np.full((400, 400), 60, np.float32), 2.0, np.random.default_rng(1))
    assert noisy.mean() == pytest.approx(60 + 2**2 / (2 * 60), abs=0.03)
    assert noisy.std() == pytest.approx(2, rel=0.01)


def test_a_window_blurs_but_keeps_the_mean():
    image = np.zeros((64, 64), np.float32)
    image[20:40, 20:40] = 1
    low = np.abs(np.fft.fftfreq(64)) < 0.2
    seen = rician(image, 0.0, np.random.default_rng(0), np.outer(low, low))
    spectrum = np.fft.fft2(image) * np.outer(low, low)
    np.testing.assert_allclose(seen, np.abs(np.fft.ifft2(spectrum)), atol=1e-6)


def test_partial_volume_mixes_signals_and_borders_turn_dark_out_of_phase():
    table, protocol = typical_table(), Protocol()
    share = np.zeros((3, len(TISSUES)), np.float32)
    share[0, tissue_number("kidney cortex")] = 1
    share[1, tissue_number("visceral fat")] = 1
    share[2] = (share[0] + share[1]) / 2
    parts = magnitudes(share, table, protocol)
    for name in signals(table, protocol):
        np.testing.assert_allclose(parts[name][2], parts[name][:2].mean(), rtol=1e-5)
    assert parts["in"][2] == pytest.approx(parts["in"][:2].mean(), rel=0.01)
    # opposed in phase, the mixed voxel is much darker than either neighbour: India ink
    assert parts["out"][2] < 0.6 * parts["out"][:2].min()


def test_a_fatty_liver_drops_out_of_phase_and_a_lean_one_does_not():
    table, protocol, liver = typical_table(), Protocol(), tissue_number("liver")
    one = np.zeros((1, len(TISSUES)), np.float32)
    one[0, liver] = 1
    drop = {}
    for fat in (0.0, 0.2):
        table["fat"][liver] = fat
        parts = magnitudes(one, table, protocol)
        drop[fat] = float(parts["out"][0] / parts["in"][0])
    # without fat only T2* differs between the echoes
    assert drop[0.0] == pytest.approx(np.exp((protocol.te_in - protocol.te_out) / table["t2star"][liver]), rel=1e-5)
    assert drop[0.2] < 0.8 * drop[0.0]


def test_published_values_stay_as_published():
    # de Bazelaire et al. 2004, 1.5 T: T1 and T2 in ms
    published = {
        "liver": (586, 46),
        "spleen": (1057, 79),
        "kidney cortex": (966, 87),
        "kidney medulla": (1412, 85),
        "pancreas": (584, 46),
    }
    for name, values in published.items():
        tissue = TISSUES[tissue_number(name)]
        assert (tissue.t1, tissue.t2) == values
    drawn = tissue_table(np.random.default_rng(3))
    np.testing.assert_allclose(drawn["t1"], [t.t1 for t in TISSUES], rtol=0.12)


def test_organs_keep_their_order_of_brightness():
    parts = {name: value for name, value in signals(typical_table(), Protocol()).items() if name in ("water_in", "t2")}
    level = {k: {t.name: v[i] for i, t in enumerate(TISSUES)} for k, v in parts.items()}
    t1, t2 = level["water_in"], level["t2"]
    assert t1["liver"] > t1["kidney cortex"] > t1["kidney medulla"]
    assert t1["liver"] > t1["spleen"]
    assert t2["kidney cortex"] > t2["liver"] > t2["muscle"]
    assert t2["spleen"] > t2["liver"]


def scan_of_one_block(**strengths):
    geometry = Geometry(64, 1.5, 8.0, 6.0, 3, -10.0, (0.0, 0.0))
    image = np.zeros((3, 64, 64), np.float32)
    image[:, 20:28, 30:38] = 1
    settings = PhantomSettings(matrix=64, large_matrix=64, **{"noise": 0.0, "ghosts": 0.0, "bias": 0.0, **strengths})
    moving = (image > 0).astype(np.float32)
    return expose((image, image / 2), moving, 1.0, geometry, settings, np.random.default_rng(2))


def test_images_of_one_acquisition_share_their_scale():
    first, second = scan_of_one_block(bias=0.1)
    inside = first[:, 22:26, 32:36].astype(float)
    np.testing.assert_allclose(second[:, 22:26, 32:36] / inside, 0.5, rtol=2e-3)
    assert first.dtype == np.uint16
    assert first.max() <= 4095
    # the coil's gain differs from place to place
    assert inside.std() > 0.001 * inside.mean()


def test_what_moves_appears_again_along_the_phase_encoding_only():
    still, moved = (scan_of_one_block(ghosts=g)[0].astype(float) for g in (0.0, 0.1))
    ghost = moved - still
    beside = np.r_[0:20, 48:64]
    assert np.abs(ghost[:, :, beside]).max() < 0.02 * still.max()
    in_line = ghost[:, :, 30:38].mean((0, 2))
    rows = np.flatnonzero(in_line > 0.05 * still.max())
    assert rows.size >= 8
    # never where the block itself is
    assert not np.isin(rows, np.arange(20, 28)).any()
