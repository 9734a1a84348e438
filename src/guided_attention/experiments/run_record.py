"""What a run was: data, network, settings, split, cost and scores (chapter *Evaluating the network*)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime, timezone
from typing import Any

import torch

from guided_attention.errors import DataError
from guided_attention.evaluation.scores import SubjectScores
from guided_attention.evaluation.summary import Summary, summarise
from guided_attention.provenance import Provenance, provenance

__all__ = ["SCHEMA_VERSION", "Cost", "DataSet", "Model", "Record", "Split", "make_record"]

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class DataSet:
    """What a run was trained and tested on.

    Parameters
    ----------
    name : str
        Of the data set, and of its folder in ``results``.
    sequence : str
        ``T1-DUAL in-phase``, ``T2-SPIR``.
    synthetic : bool
    digests : mapping from subject to str, optional
        From `guided_attention.data.volume_digest`; None in records made before there were digests.
    """

    name: str
    sequence: str
    synthetic: bool
    digests: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Model:
    """Name that `build_model` knows, and the options it was given."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """Fold number and the subjects on each side."""

    fold: int
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds and peak memory in bytes; None where it was not measured."""

    training_seconds: float | None = None
    evaluation_seconds: float | None = None
    peak_memory_bytes: int | None = None


@dataclass(frozen=True)
class Record:
    """One run. Made by `make_record`, written by `write_record`, read by `read_record`.

    Parameters
    ----------
    dataset, model, split, cost, provenance
        See the classes of that name.
    preset : str
        Name of the settings, one of `PRESETS`; with ``-epochsN``, ``-bf16``, ``-rateX`` where another number of
        epochs, precision or learning rate was asked for.
    quick : bool
        True for all but the published protocol: such a record shows that the code works, not what the method can do.
    settings : mapping
        All settings of the training, by name; ``changed`` as in `FitResult`, where a run diverged and went on with
        others.
    seed : int
    curve : tuple of mappings
        One per epoch: ``epoch`` and whatever was logged (losses, learning rate, validation Dice).
    scores : tuple of SubjectScores
        The test subjects.
    summary : Summary
        `summarise` of the scores.
    created : str
        UTC, ISO 8601.
    """

    dataset: DataSet
    model: Model
    preset: str
    quick: bool
    settings: Mapping[str, Any]
    seed: int
    split: Split
    provenance: Provenance
    cost: Cost
    curve: tuple[Mapping[str, Any], ...]
    scores: tuple[SubjectScores, ...]
    summary: Summary
    created: str
    schema_version: int = SCHEMA_VERSION


def make_record(
    *,
    dataset: DataSet,
    model: Model,
    preset: str,
    settings: Any,
    seed: int,
    split: Split,
    scores: Sequence[SubjectScores],
    curve: Sequence[Mapping[str, Any]] = (),
    cost: Cost | None = None,
    device: str | torch.device = "cpu",
) -> Record:
    """Put a record together: adds the summary, the provenance, the label ``quick`` and the time.

    Parameters
    ----------
    settings : dataclass or mapping
        The training's settings.
    device : str or torch.device
        Where the network ran; its name goes into the provenance.
    dataset, model, preset, seed, split, scores, curve, cost
        See `Record`.

    Raises
    ------
    DataError
        If there are no scores, or they are not those of the split's test subjects.
    """
    scored, expected = {score.subject for score in scores}, set(split.test)
    if scored != expected:
        raise DataError(
            f"scores: expected the test subjects {sorted(expected)} of fold {split.fold}, found {sorted(scored)}."
        )
    return Record(
        dataset=dataset,
        model=model,
        preset=preset,
        quick=preset.split("-")[0] != "paper",
        settings=asdict(settings) if is_dataclass(settings) else dict(settings),
        seed=seed,
        split=split,
        provenance=provenance(device),
        cost=cost or Cost(),
        curve=tuple(curve),
        scores=tuple(scores),
        summary=summarise(scores),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
