"""Records in, tables and figures out: the paper's Tables I and II and Fig. 4 to 6, and what the paper lacks.

Chapters *Ablation*, *State of the art* and *Looking at the masks* call these functions; ``guided-attention report``
calls the same ones, so that a page and a report of the same records cannot differ.
"""

from guided_attention.report.comparisons import Comparison, Comparisons, paired_tests
from guided_attention.report.costs import NetworkCost, cost_table, network_cost
from guided_attention.report.intervals import bootstrap_mean, mean_intervals
from guided_attention.report.loading import Results, load_results
from guided_attention.report.origins import provenance_table
from guided_attention.report.published import published
from guided_attention.report.score_tables import table_one, table_two
from guided_attention.report.subjects import subject_values, summary_of
from guided_attention.report.table import Table
from guided_attention.report.trust import calibration_table, pooled_reliability

__all__ = [
    "Comparison",
    "Comparisons",
    "NetworkCost",
    "Results",
    "Table",
    "bootstrap_mean",
    "calibration_table",
    "cost_table",
    "load_results",
    "mean_intervals",
    "network_cost",
    "paired_tests",
    "pooled_reliability",
    "provenance_table",
    "published",
    "subject_values",
    "summary_of",
    "table_one",
    "table_two",
]
