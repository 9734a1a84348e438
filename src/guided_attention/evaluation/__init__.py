"""From a trained network to scores: the labels of whole volumes, and how good they are."""

from guided_attention.evaluation.calibration import expected_calibration_error
from guided_attention.evaluation.predict import predict_volume, predict_with_confidence
from guided_attention.evaluation.scores import OrganScore, SubjectScores, evaluate_subject
from guided_attention.evaluation.summary import subject_table, summarise, summary_table
from guided_attention.evaluation.volumes import evaluate

__all__ = [
    "OrganScore",
    "SubjectScores",
    "evaluate",
    "evaluate_subject",
    "expected_calibration_error",
    "predict_volume",
    "predict_with_confidence",
    "subject_table",
    "summarise",
    "summary_table",
]
