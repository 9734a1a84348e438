"""Training: `fit`, its settings, and the objective that it follows (chapter *Training the network*)."""

from guided_attention.training.devices import Where
from guided_attention.training.loop import fit
from guided_attention.training.losses import LossWeights, objective
from guided_attention.training.settings import PRESETS, FitSettings, Preset, get_preset

__all__ = ["PRESETS", "FitSettings", "LossWeights", "Preset", "Where", "fit", "get_preset", "objective"]
