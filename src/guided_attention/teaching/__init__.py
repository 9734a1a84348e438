"""Checkers for the exercises of the book: each says whether an answer is right and, if not, what is wrong with it."""

from guided_attention.teaching.evaluation import check_dice, check_msd_both, check_shell_dice
from guided_attention.teaching.feedback import Feedback
from guided_attention.teaching.training import check_first_loss, check_patient_rate, check_weight_for_sum

__all__ = [
    "Feedback",
    "check_dice",
    "check_first_loss",
    "check_msd_both",
    "check_patient_rate",
    "check_shell_dice",
    "check_weight_for_sum",
]
