"""A digital abdomen: synthetic MR images with labels, in CHAOS's layout (chapter *From scanner to tensor*).

It exists so that everything in the book runs without a download, and so that physics can be shown with the truth at
hand. It is good for teaching and for testing programs. It is *not* a substitute for patients: no disease, no contrast
agent, no flow, no real breathing, no statistics of real anatomy; scores on it say nothing about scores in a clinic.

The way through it: `draw_anatomy` (shapes) -> `fractions` (tissues per voxel) -> `magnitudes` (physics) -> `expose`
(shading, ghosts, noise, 12 bits) -> `write_subject` (DICOM and PNG).
"""

from __future__ import annotations

from guided_attention.data.phantom.physics import (
    FAT_SHIFT_HZ,
    fat_water_magnitude,
    rician,
    spin_echo,
    spoiled_gradient_echo,
)
from guided_attention.data.phantom.settings import (
    PRESETS,
    SUBJECT_IDS,
    PhantomSettings,
    phantom_folder,
    phantom_settings,
    subject_ids,
)
from guided_attention.data.phantom.subject import PhantomSubject, make_phantom
from guided_attention.data.phantom.tissues import TISSUES, Tissue, tissue_number
from guided_attention.data.phantom.write import is_written, phantom_record, write_phantom

__all__ = [
    "FAT_SHIFT_HZ",
    "PRESETS",
    "SUBJECT_IDS",
    "TISSUES",
    "PhantomSettings",
    "PhantomSubject",
    "Tissue",
    "fat_water_magnitude",
    "is_written",
    "make_phantom",
    "phantom_folder",
    "phantom_record",
    "phantom_settings",
    "rician",
    "spin_echo",
    "spoiled_gradient_echo",
    "subject_ids",
    "tissue_number",
    "write_phantom",
]
