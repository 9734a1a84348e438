"""The three metrics of the paper under the path that other programs import: DSC, VS and MSD of boolean masks.

They are defined in `guided_attention.evaluation.overlap` and `guided_attention.evaluation.surfaces`.
"""

from guided_attention.evaluation.challenge import chaos_metric_scores, chaos_score
from guided_attention.evaluation.distances import SurfaceDistances, surface_distances
from guided_attention.evaluation.overlap import (
    average_symmetric_surface_distance,
    dice,
    directed_surface_distances,
    hausdorff_distance_95,
    maximum_surface_distance,
    mean_surface_distance,
    normalised_surface_dice,
    relative_absolute_volume_difference,
    volume_similarity,
)
from guided_attention.evaluation.surfaces import surface

__all__ = [
    "SurfaceDistances",
    "average_symmetric_surface_distance",
    "chaos_metric_scores",
    "chaos_score",
    "dice",
    "directed_surface_distances",
    "hausdorff_distance_95",
    "maximum_surface_distance",
    "mean_surface_distance",
    "normalised_surface_dice",
    "relative_absolute_volume_difference",
    "surface",
    "surface_distances",
    "volume_similarity",
]
