"""The record of a run as a JSON file: write it, read it, know where it belongs (chapter *Evaluating the network*).

The book's result chapters read these files and nothing else, so that every number on a page leads back to a
commit, a seed and a list of subjects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from pydantic_core import to_json

from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.scores import SubjectScores
from guided_attention.evaluation.summary import summarise
from guided_attention.experiments.label_volumes import masks_path
from guided_attention.experiments.run_record import Record, explained
from guided_attention.files import write_bytes, write_text
from guided_attention.paths import RunFolder
from guided_attention.provenance import provenance

__all__ = [
    "keep_result",
    "read_record",
    "record_path",
    "record_schema",
    "result_of",
    "write_record",
    "write_scores",
]

_RECORD = TypeAdapter(Record)


def record_path(root: str | Path, dataset: str, model: str, fold: int, seed: int) -> Path:
    """Return where a record belongs: ``ROOT/DATASET/MODEL/foldK-seedS.json``.

    Raises
    ------
    SettingsError
        If a name is empty or would leave its folder.
    """
    for argument, name in (("dataset", dataset), ("model", model)):
        if not name or name in (".", "..") or any(mark in name for mark in "/\\:"):
            raise SettingsError(f"{argument}: expected a plain name without slashes, found {name!r}.")
    return Path(root) / dataset / model / f"fold{fold}-seed{seed}.json"


def record_schema() -> dict[str, Any]:
    """Return the format of the files as a JSON schema, for programs in other languages."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_RECORD.json_schema()}


def write_record(record: Record, path: str | Path) -> Path:
    """Write a record as JSON, completely or not at all; folders are made, an older record is replaced.

    NaN and infinity become null: JSON has neither.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If it could not be read again, because a score is no number in its range; nothing is written.
    """
    content = _RECORD.dump_json(record)
    with explained(path):
        _RECORD.validate_json(content)
    return _write(content, path)


def write_scores(
    scores: Sequence[SubjectScores],
    path: str | Path,
    device: str | torch.device = "cpu",
    seen: Mapping[str, str] | None = None,
    precision: str | None = None,
) -> Path:
    """Write scores without a training behind them, for example of a network on one's own data.

    Parameters
    ----------
    scores : sequence of SubjectScores
    path : path
        The JSON file: ``scores``, ``summary`` and ``provenance`` as in a record, and ``seen``. Written completely or
        not at all.
    device : str or torch.device
        Where the network ran.
    seen : mapping, optional
        Which of the subjects the network has seen in training: subject -> ``"train"`` or ``"validation"``.
    precision : str, optional
        That the network computed with.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If there are no scores.
    """
    content = {"scores": list(scores), "summary": summarise(scores), "provenance": provenance(device)}
    if seen:
        content["seen"] = dict(seen)
    if precision is not None:
        content["precision"] = precision
    return _write(to_json(content, inf_nan_mode="null"), path)


def read_record(path: str | Path) -> Record:
    """Read a record and check it.

    Raises
    ------
    DataError
        If the file is missing, is no JSON, or is no record: the message names file, place and reason.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such record. Make it with `guided-attention evaluate`.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    with explained(path):
        return _RECORD.validate_json(content)


def result_of(run: RunFolder) -> tuple[bytes, bytes | None]:
    """Return what of a finished run may lie in ``results``: its record, and its masks only if the data are synthetic.

    Masks of patients stay in the run's folder.
    """
    synthetic = read_record(run.record).dataset.synthetic
    return run.record.read_bytes(), run.predictions.read_bytes() if synthetic else None


def keep_result(target: Path, record: bytes, masks: bytes | None) -> Record:
    """Write what `result_of` returned to where the record belongs, and read it from there."""
    if masks is not None:
        write_bytes(masks_path(target), masks)  # before the record, which says that the trial is finished
    return read_record(write_bytes(target, record))


def _write(content: bytes, path: str | Path) -> Path:
    return write_text(Path(path), json.dumps(json.loads(content), indent=1, ensure_ascii=False) + "\n")
