"""Checkers for the exercises of the book: each says whether an answer is right and, if not, what is wrong with it."""

from guided_attention.teaching.ch01_data import check_millilitres, check_out_of_phase, check_paired
from guided_attention.teaching.ch03_position_attention import (
    check_coordinates,
    check_one_pixel,
    check_position_attention,
    check_query_gradient,
)
from guided_attention.teaching.ch07_training import check_first_loss, check_patient_rate, check_weight_for_sum
from guided_attention.teaching.ch08_evaluation import check_dice, check_msd_both, check_shell_dice
from guided_attention.teaching.ch09_family import check_channel_mask, check_field, check_map_mebibytes, check_silence
from guided_attention.teaching.ch10_ablation import check_floor, check_right_p, check_subjects_needed
from guided_attention.teaching.ch11_state_of_the_art import check_ece, check_overshoot, check_pareto
from guided_attention.teaching.ch12_masks import check_edge_share, check_island_cost, check_keep_largest
from guided_attention.teaching.ch13_touch import check_half_of_the_attention, check_times_chance
from guided_attention.teaching.ch14_steps import check_atlas_share, check_two_steps
from guided_attention.teaching.ch15_live import check_half_gone, check_lost_outside
from guided_attention.teaching.feedback import Feedback

__all__ = [
    "Feedback",
    "check_atlas_share",
    "check_channel_mask",
    "check_coordinates",
    "check_dice",
    "check_ece",
    "check_edge_share",
    "check_field",
    "check_first_loss",
    "check_floor",
    "check_half_gone",
    "check_half_of_the_attention",
    "check_island_cost",
    "check_keep_largest",
    "check_lost_outside",
    "check_map_mebibytes",
    "check_millilitres",
    "check_msd_both",
    "check_one_pixel",
    "check_out_of_phase",
    "check_overshoot",
    "check_paired",
    "check_pareto",
    "check_patient_rate",
    "check_position_attention",
    "check_query_gradient",
    "check_right_p",
    "check_shell_dice",
    "check_silence",
    "check_subjects_needed",
    "check_times_chance",
    "check_two_steps",
    "check_weight_for_sum",
]
