"""Smooth random fields: deformations, textures, shading (chapter *From scanner to tensor*)."""

from __future__ import annotations

import numpy as np

__all__ = ["Waves"]


class Waves:
    """A smooth random field: a sum of plane waves in random directions, with mean 0 and standard deviation 1.

    Each wave is cos(a + b) = cos a cos b - sin a sin b with a along a row and b along a column, so a plane of the field
    is one small matrix product.

    Sines, powers and matrix products round otherwise on every kind of processor. Here and wherever the phantom needs
    one, they are taken in double precision; where single precision is enough afterwards, rounding to it hides the last
    digits in which processors differ. Sums, products, quotients and square roots are the same everywhere.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where directions, wavelengths and phases come from.
    count : int
        Number of waves.
    wavelengths : tuple of 2 floats
        Shortest and longest wavelength, mm.
    """

    def __init__(self, rng: np.random.Generator, count: int, wavelengths: tuple[float, float]) -> None:
        low, high = wavelengths
        direction = rng.standard_normal((3, count))
        direction /= np.linalg.norm(direction, axis=0)
        self.k = direction * 2 * np.pi / np.exp(rng.uniform(np.log(low), np.log(high), count))
        self.phase = rng.uniform(0, 2 * np.pi, count)
        self.amplitude = np.sqrt(2 / count)

    def plane(self, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        """Return the field, float64 (len(y), len(x)), at height z (mm)."""
        a = np.outer(self.k[0], x)
        b = np.outer(y, self.k[1]) + (self.k[2] * z + self.phase)
        rows, columns = np.hstack([np.cos(b), -np.sin(b)]), np.vstack([np.cos(a), np.sin(a)])
        return self.amplitude * (rows @ columns)
