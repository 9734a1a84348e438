"""Checkers for the exercises of the book: each says whether an answer is right and, if not, what is wrong with it."""

from guided_attention.teaching.feedback import Feedback
from guided_attention.teaching.training import check_first_loss, check_patient_rate, check_weight_for_sum

__all__ = ["Feedback", "check_first_loss", "check_patient_rate", "check_weight_for_sum"]
