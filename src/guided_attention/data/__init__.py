"""Data: from files to slices that a network can learn from (chapter *From scanner to tensor*).

``read_* -> Volume -> SliceDataset``; `open_source` for whole sets, `folds_for` for who trains and who tests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from guided_attention.data.augmentation import Augmentation, Draw
from guided_attention.data.digest import volume_digest
from guided_attention.data.fetch.chaos import CHAOS_TRAIN, Archive, fetch_chaos
from guided_attention.data.folds import CHAOS_FOLDS, CHAOS_SUBJECTS, Fold, folds_for, make_folds
from guided_attention.data.greys import normalise
from guided_attention.data.integrity import IntegrityReport, Problem
from guided_attention.data.labels import CHAOS_LABELS, LabelSet
from guided_attention.data.prepare import InputSettings, fit_in_plane
from guided_attention.data.read.chaos import read_chaos_subject
from guided_attention.data.read.label_png import GREY_RANGES
from guided_attention.data.read.nifti import read_nifti
from guided_attention.data.read.write import write_nifti
from guided_attention.data.slices import SliceDataset
from guided_attention.data.source import DataSource, open_source
from guided_attention.data.volume import CLASSES, ORGANS, Volume

if TYPE_CHECKING:
    from guided_attention.data.phantom import (
        PhantomSettings,
        PhantomSubject,
        make_phantom,
        phantom_folder,
        write_phantom,
    )

__all__ = [
    "CHAOS_FOLDS",
    "CHAOS_LABELS",
    "CHAOS_SUBJECTS",
    "CHAOS_TRAIN",
    "CLASSES",
    "GREY_RANGES",
    "ORGANS",
    "Archive",
    "Augmentation",
    "DataSource",
    "Draw",
    "Fold",
    "InputSettings",
    "IntegrityReport",
    "LabelSet",
    "PhantomSettings",
    "PhantomSubject",
    "Problem",
    "SliceDataset",
    "Volume",
    "fetch_chaos",
    "fit_in_plane",
    "folds_for",
    "make_folds",
    "make_phantom",
    "normalise",
    "open_source",
    "phantom_folder",
    "read_chaos_subject",
    "read_nifti",
    "volume_digest",
    "write_nifti",
    "write_phantom",
]

_PHANTOM = ("PhantomSettings", "PhantomSubject", "make_phantom", "phantom_folder", "write_phantom")


def __getattr__(name: str) -> Any:
    """Import the phantom when somebody asks for it: reading data needs none of it."""
    if name not in _PHANTOM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("guided_attention.data.phantom"), name)
