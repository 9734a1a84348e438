"""The record of a run as a JSON file: write it, read it, know where it belongs (chapter *Evaluating the network*).

The book's result chapters read these files and nothing else, so that every number on a page leads back to a
commit, a seed and a list of subjects. The format is `record.schema.json` beside this module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.scores import SubjectScores, scores_from_dicts
from guided_attention.evaluation.summary import Statistic, summarise
from guided_attention.experiments.run_record import SCHEMA_VERSION, Cost, DataSet, Model, Record, Split
from guided_attention.files import write_text
from guided_attention.provenance import Provenance, provenance

__all__ = ["read_record", "record_path", "write_record", "write_scores"]


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


def write_record(record: Record, path: str | Path) -> Path:
    """Write a record as JSON, completely or not at all; folders are made, an older record is replaced.

    NaN and infinity become null: JSON has neither. The record is checked against the schema first wherever
    ``jsonschema`` is installed; a bare GPU machine may lack it, and a finished run must not be lost for that:
    `read_record` checks again.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If the record does not fit the schema; nothing is written.
    """
    content = _plain(record)
    if find_spec("jsonschema") is not None:
        _validate(content, Path(path))
    return _write_json(content, Path(path))


def write_scores(scores: Sequence[SubjectScores], path: str | Path, device: str | torch.device = "cpu") -> Path:
    """Write scores without a training behind them, for example of a network on one's own data.

    Parameters
    ----------
    scores : sequence of SubjectScores
    path : path
        The JSON file: ``scores``, ``summary`` and ``provenance`` as in a record. Written completely or not at all.
    device : str or torch.device
        Where the network ran.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If there are no scores.
    """
    summary = summarise(scores)
    content = {"scores": list(scores), "summary": summary, "provenance": provenance(device)}
    return _write_json(_plain(content), Path(path))


def _write_json(content: Any, path: Path) -> Path:
    return write_text(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_record(path: str | Path) -> Record:
    """Read a record and check it against the schema.

    Raises
    ------
    DataError
        If the file is missing, is no JSON, or does not fit the schema: the message names file, place and reason.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such record. Make it with `guided-attention evaluate`.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise DataError(f"{path}: expected a record in JSON, but it cannot be parsed ({error}).") from error
    _validate(content, path)
    parts = {name: content[name] for name in (f.name for f in fields(Record))}
    split = {key: tuple(value) if isinstance(value, list) else value for key, value in parts["split"].items()}
    return Record(
        **{
            **parts,
            "dataset": DataSet(**parts["dataset"]),
            "model": Model(**parts["model"]),
            "split": Split(**split),
            "provenance": Provenance(**parts["provenance"]),
            "cost": Cost(**parts["cost"]),
            "curve": tuple(_numbers(row) for row in parts["curve"]),
            "scores": scores_from_dicts(parts["scores"]),
            "summary": {
                organ: {metric: Statistic(**_numbers(values)) for metric, values in row.items()}
                for organ, row in parts["summary"].items()
            },
        }
    )


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: float("nan") if value is None else value for key, value in row.items()}


@cache
def _schema() -> dict[str, Any]:
    file = resources.files("guided_attention.experiments").joinpath("record.schema.json")
    return json.loads(file.read_text(encoding="utf-8"))


def _validate(content: Any, path: Path) -> None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(_schema()).iter_errors(content))
    if error is not None:
        raise DataError(
            f"{path}: not a record of version {SCHEMA_VERSION}: at {error.json_path}, {error.message[:300]}. "
            "Compare it with record.schema.json, or make the record again."
        )


def _plain(value: Any) -> Any:
    """Only what JSON knows: dataclasses become objects, tuples arrays, numbers that are not finite null."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    return str(value)
