"""The book's pictures with matplotlib: one module for each kind.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart. Every slice is shown in radiological
orientation: the patient's right is on the picture's left, and letters R and L say so.
"""

from guided_attention.figures.asking import show_asking, show_map
from guided_attention.figures.attention import show_attention
from guided_attention.figures.boxes import show_boxes
from guided_attention.figures.convergence import show_convergence
from guided_attention.figures.curves import show_curves
from guided_attention.figures.diagrams import show_dual, show_loop, show_network, show_scale
from guided_attention.figures.failures import KIND_COLOURS, failure_legend, show_failures
from guided_attention.figures.growth import show_growth
from guided_attention.figures.members import show_members
from guided_attention.figures.networks import DRAWN, show_design
from guided_attention.figures.reliability import show_reliability
from guided_attention.figures.results import show_result
from guided_attention.figures.scores import show_scores
from guided_attention.figures.side_by_side import MaskRow, show_side_by_side
from guided_attention.figures.slices import ORGAN_COLOURS, organ_legend, show_errors, show_slice

__all__ = [
    "DRAWN",
    "KIND_COLOURS",
    "MaskRow",
    "ORGAN_COLOURS",
    "failure_legend",
    "organ_legend",
    "show_asking",
    "show_attention",
    "show_boxes",
    "show_convergence",
    "show_curves",
    "show_design",
    "show_dual",
    "show_errors",
    "show_failures",
    "show_growth",
    "show_loop",
    "show_map",
    "show_members",
    "show_network",
    "show_reliability",
    "show_result",
    "show_scale",
    "show_scores",
    "show_side_by_side",
    "show_slice",
]
