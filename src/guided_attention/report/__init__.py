"""Records in, tables and figures out: the paper's Tables I and II and Fig. 4 to 6, and what the paper lacks.

Chapters *Ablation*, *State of the art* and *Looking at the masks* call these functions; ``guided-attention report``
calls the same ones, so that a page and a report of the same records cannot differ.
"""

from guided_attention.report.comparisons import Comparison, Comparisons, ablation_steps, paired_tests
from guided_attention.report.costs import NetworkCost, best_epoch, cost_table, network_cost
from guided_attention.report.disagreement import choose_slices, disagreement, load_masks, masks_side_by_side
from guided_attention.report.pictures import box_plots, convergence_curves, reliability_diagram
from guided_attention.report.published import published
from guided_attention.report.results import Results, load_results
from guided_attention.report.speed import load_speed
from guided_attention.report.speed_table import growth, speed_table
from guided_attention.report.statistics import bootstrap_mean, pooled_reliability, subject_values, summary_of
from guided_attention.report.table import Table
from guided_attention.report.tables import calibration_table, mean_intervals, provenance_table, table_one, table_two
from guided_attention.report.write import numbers, report_digest, write_report

__all__ = [
    "Comparison",
    "Comparisons",
    "NetworkCost",
    "Results",
    "Table",
    "ablation_steps",
    "best_epoch",
    "bootstrap_mean",
    "box_plots",
    "calibration_table",
    "choose_slices",
    "convergence_curves",
    "cost_table",
    "disagreement",
    "growth",
    "load_masks",
    "load_results",
    "load_speed",
    "masks_side_by_side",
    "mean_intervals",
    "network_cost",
    "numbers",
    "paired_tests",
    "pooled_reliability",
    "provenance_table",
    "published",
    "reliability_diagram",
    "report_digest",
    "speed_table",
    "subject_values",
    "summary_of",
    "table_one",
    "table_two",
    "write_report",
]
