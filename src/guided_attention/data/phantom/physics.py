"""The signal of one voxel: relaxation, fat and water, and the noise of a magnitude image.

Times are in milliseconds, angles in degrees, frequencies in hertz. All functions broadcast over arrays. Built in
chapter *From scanner to tensor*.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "FAT_SHIFT_HZ",
    "fat_water_magnitude",
    "rician",
    "spin_echo",
    "spoiled_gradient_echo",
]

#: How much slower fat's main (methylene) line precesses than water at 1.5 T: 3.4 ppm of 63.87 MHz.
FAT_SHIFT_HZ = 3.4e-6 * 63.87e6


def spoiled_gradient_echo(pd, t1, tr, flip, te, t2star):
    r"""Steady-state signal of a spoiled gradient echo (Ernst and Anderson, Rev. Sci. Instrum. 37, 1966).

    .. math:: I = PD \, \sin\vartheta \, \frac{1 - u}{1 - u \cos\vartheta} \, e^{-TE/T_2^*},
        \qquad u = e^{-TR/T_1}

    Parameters
    ----------
    pd : array_like
        Proton density :math:`PD`, relative to water.
    t1, tr, te, t2star : array_like
        Longitudinal relaxation time, repetition time, echo time and effective transverse relaxation time, ms.
    flip : array_like
        Flip angle, degrees.

    Returns
    -------
    ndarray
        Signal in the units of ``pd``, of the arguments' common shape.
    """
    alpha = np.deg2rad(flip)
    e1 = np.exp(-np.asarray(tr) / t1)
    return pd * np.sin(alpha) * (1 - e1) / (1 - e1 * np.cos(alpha)) * np.exp(-np.asarray(te) / t2star)


def spin_echo(pd, t1, t2, tr, te):
    r"""Signal of a 90-180 degree spin echo with TE much shorter than TR.

    .. math:: I = PD \, (1 - e^{-TR/T_1}) \, e^{-TE/T_2}

    Parameters
    ----------
    pd : array_like
        Proton density :math:`PD`, relative to water.
    t1, t2, tr, te : array_like
        Longitudinal and transverse relaxation time, repetition time and (effective) echo time, ms.

    Returns
    -------
    ndarray
        Signal in the units of ``pd``.
    """
    return pd * (1 - np.exp(-np.asarray(tr) / t1)) * np.exp(-np.asarray(te) / t2)


def fat_water_magnitude(water, fat, te, shift=FAT_SHIFT_HZ):
    r"""Magnitude of a voxel in which fat and water precess at different speeds (Dixon, Radiology 153, 1984).

    .. math:: |W + F e^{i \varphi}|, \qquad \varphi = 2 \pi \, \Delta f \, TE

    At 1.5 T fat is back in phase after 4.6 ms and opposed to water after 2.3 ms, where the two cancel. A voxel on the
    border of an organ in fat holds both: the dark outline of out-of-phase images.

    Parameters
    ----------
    water, fat : array_like
        Signals of water and fat at this echo time, relaxation included; same units.
    te : float
        Echo time, ms.
    shift : float, default `FAT_SHIFT_HZ`
        Frequency difference of fat and water, Hz.

    Returns
    -------
    ndarray
        Magnitude in the units of the input.
    """
    phase = 2 * np.pi * shift * te * 1e-3
    real = water + fat * np.cos(phase)
    return np.hypot(real, fat * np.sin(phase))


def rician(magnitude, sigma, rng: np.random.Generator, window=None):
    r"""Add noise to both receiver channels and take the magnitude (Gudbjartsson and Patz, MRM 34, 1995).

    Where there is no signal the result is Rayleigh distributed with mean :math:`\sigma \sqrt{\pi / 2}`: the background
    of a magnitude image is never quite black.

    Parameters
    ----------
    magnitude : ndarray, (..., H, W)
        Noiseless magnitude image.
    sigma : float
        Standard deviation of the noise in each channel of the result; same units.
    rng : numpy.random.Generator
        Where the noise comes from.
    window : ndarray, (H, W), optional
        Weight of each spatial frequency, zero frequency first: what the scanner did not measure is 0 there. Signal and
        noise both pass through it, which blurs the one and makes neighbours in the other alike.

    Returns
    -------
    ndarray, float64
        Noisy magnitude, of the same shape.
    """
    from scipy import fft

    # the window takes noise away; more of it goes in, so that sigma is what comes out
    scale = sigma if window is None else sigma / np.sqrt(np.mean(np.square(window)))
    noise = scale * rng.standard_normal((*magnitude.shape, 2), dtype=np.float32).astype(np.float64)
    signal = noise.view(np.complex128)[..., 0]
    signal += magnitude
    if window is not None:
        signal = fft.fft2(signal, overwrite_x=True)
        signal *= window
        signal = fft.ifft2(signal, overwrite_x=True)
    return np.abs(signal)
