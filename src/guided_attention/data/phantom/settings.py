"""How large and how coarse a synthetic set is, and where it is kept (chapter *From scanner to tensor*)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from guided_attention.errors import SettingsError, require_choice
from guided_attention.paths import data_folder

__all__ = ["PRESETS", "SUBJECT_IDS", "PhantomSettings", "phantom_folder", "phantom_settings", "subject_ids"]

#: The numbers of CHAOS's labelled MR subjects, so that folds published for CHAOS fit the phantom too.
SUBJECT_IDS = (1, 2, 3, 5, 8, 10, 13, 15, 19, 20, 21, 22, 31, 32, 33, 34, 36, 37, 38, 39)


def _demand(condition: bool, argument: str, expected: str, found: object) -> None:
    if not condition:
        raise SettingsError(f"{argument} must be {expected}, found {found!r}.")


@dataclass(frozen=True)
class PhantomSettings:
    """What every subject of one synthetic set has in common.

    Parameters
    ----------
    subjects : int
        How many subjects the preset writes.
    matrix : int
        Rows and columns of a slice.
    large_matrix : int
        Rows and columns for the share of subjects that is scanned with a larger matrix (CHAOS has 288 beside 256).
    large_share : float
        Chance of the larger matrix, 0 to 1.
    slice_distance : tuple of 2 floats
        Range of the distance between slice centres, mm.
    slices : tuple of 2 ints
        Fewest and most slices of one subject.
    in_plane_samples, through_plane_samples : int
        Points per voxel along a row or column, and across the slice; their tissues are mixed (partial volume).
    noise : float
        Standard deviation of the noise in each of the two receiver channels, relative to the liver's signal.
    ghosts : float
        Strength of the motion ghosts, relative to what moves.
    bias : float
        Strength of the coil's shading: standard deviation of the logarithm of its gain.

    Raises
    ------
    SettingsError
        If a number cannot work.
    """

    subjects: int = 20
    matrix: int = 256
    large_matrix: int = 288
    large_share: float = 0.25
    slice_distance: tuple[float, float] = (5.5, 9.0)
    slices: tuple[int, int] = (26, 50)
    in_plane_samples: int = 2
    through_plane_samples: int = 2
    noise: float = 0.035
    ghosts: float = 0.05
    bias: float = 0.08

    def __post_init__(self) -> None:
        low, high = self.slice_distance
        _demand(self.subjects >= 1, "subjects", "at least 1", self.subjects)
        _demand(32 <= self.matrix <= self.large_matrix, "matrix", "32 or more, at most large_matrix", self.matrix)
        _demand(0 <= self.large_share <= 1, "large_share", "0 to 1", self.large_share)
        _demand(0 < low <= high, "slice_distance", "a rising pair of positive numbers (mm)", self.slice_distance)
        _demand(1 <= self.slices[0] <= self.slices[1], "slices", "a rising pair of positive integers", self.slices)
        _demand(self.in_plane_samples >= 1, "in_plane_samples", "at least 1", self.in_plane_samples)
        _demand(self.through_plane_samples >= 1, "through_plane_samples", "at least 1", self.through_plane_samples)
        for name in ("noise", "ghosts", "bias"):
            _demand(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))


#: ``full``: CHAOS's sizes. ``small``: 20 subjects at half the resolution. ``tiny``: a few small subjects, for tests.
PRESETS = {
    "full": PhantomSettings(),
    "small": PhantomSettings(
        matrix=128, large_matrix=144, slice_distance=(9.0, 13.0), slices=(16, 28), through_plane_samples=2
    ),
    "tiny": PhantomSettings(
        subjects=6,
        matrix=96,
        large_matrix=112,
        slice_distance=(14.0, 18.0),
        slices=(10, 18),
        through_plane_samples=2,
    ),
}


def phantom_settings(preset: str) -> PhantomSettings:
    """Return the settings of a preset by its name: ``"full"``, ``"small"`` or ``"tiny"``."""
    require_choice("preset", preset, tuple(PRESETS))
    return PRESETS[preset]


def subject_ids(count: int) -> tuple[int, ...]:
    """Return the folder numbers of ``count`` subjects: CHAOS's own, and after its twenty 40, 41, ..."""
    _demand(count >= 1, "subjects", "at least 1", count)
    return SUBJECT_IDS[:count] + tuple(range(40, 20 + count))


def phantom_folder() -> Path:
    """Return where the synthetic set is kept unless told otherwise: `guided_attention.paths.data_folder`."""
    return data_folder("phantom")
