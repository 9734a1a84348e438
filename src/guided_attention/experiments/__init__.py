"""Trials, each one model x one fold x one seed: run one or a whole plan of them, and keep their records."""

from guided_attention.experiments.record import read_record, write_record
from guided_attention.experiments.run import run_trial
from guided_attention.experiments.run_record import Record
from guided_attention.experiments.trial import Trial, choose_fold, run_folder

__all__ = ["Trial", "Record", "choose_fold", "read_record", "run_trial", "run_folder", "write_record"]
