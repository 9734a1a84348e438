"""What a run was: data, network, settings, split, cost and scores (chapter *Evaluating the network*)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, field, is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

from guided_attention.data.volume import CLASSES
from guided_attention.errors import DataError
from guided_attention.evaluation.calibration import BINS
from guided_attention.evaluation.measured import Measured
from guided_attention.evaluation.scores import METRICS, SubjectScores
from guided_attention.evaluation.summary import Statistic, summarise
from guided_attention.provenance import Provenance, provenance

__all__ = ["Cost", "DataSet", "Epoch", "Model", "Record", "Split", "explained", "make_record"]

_VERSION = 2
_CONFIG = ConfigDict(strict=True, extra="forbid")
_Text = Annotated[str, Field(min_length=1)]
_Subjects = tuple[_Text, ...]
#: Is left out of the file where it is None, as in records that are older than the field.
_Later = Field(exclude_if=lambda value: value is None)


@dataclass(frozen=True, config=_CONFIG)
class DataSet:
    """What a run was trained and tested on.

    Parameters
    ----------
    name : str
        Of the data set, and of its folder in ``results``.
    sequence : str
        ``T1-DUAL in-phase``, ``T2-SPIR``.
    synthetic : bool
    digests : dict from subject to str, optional
        From `guided_attention.data.volume_digest`; None in records made before there were digests.
    classes, channels : tuple of str, optional
        Names of the classes, background first (None: CHAOS's five), and of the image's channels, where it has several.
    """

    name: _Text
    sequence: _Text
    synthetic: bool
    digests: Annotated[dict[str, Annotated[str, Field(pattern="^[0-9a-f]{16}$")]] | None, _Later] = None
    classes: Annotated[tuple[_Text, ...] | None, _Later] = None
    channels: Annotated[tuple[_Text, ...] | None, _Later] = None

    @property
    def organs(self) -> tuple[str, ...]:
        """Names of the organs."""
        return (self.classes or CLASSES)[1:]


@dataclass(frozen=True, config=_CONFIG)
class Model:
    """Name that `build_model` knows, the options it was given, and what its backbone started from.

    Parameters
    ----------
    name : str
    options : dict
    initial_weights : str, optional
        From `guided_attention.experiments.trial.initial_weights`; None in records made before it was written down.
    """

    name: _Text
    options: dict[str, Any] = field(default_factory=dict)
    initial_weights: Annotated[_Text | None, _Later] = None


@dataclass(frozen=True, config=_CONFIG)
class Split:
    """Fold number and the subjects on each side."""

    fold: NonNegativeInt
    train: _Subjects
    validation: _Subjects
    test: _Subjects


@dataclass(frozen=True, config=_CONFIG)
class Cost:
    """Wall time in seconds and peak memory in bytes; None where it was not measured."""

    training_seconds: NonNegativeFloat | None = None
    evaluation_seconds: NonNegativeFloat | None = None
    peak_memory_bytes: NonNegativeInt | None = None


class Epoch(TypedDict, extra_items=Annotated[float, Measured()]):
    """One epoch of the learning curve: ``epoch`` and whatever was logged (losses, learning rate, validation Dice)."""

    __pydantic_config__ = ConfigDict(strict=True, extra="allow")

    epoch: NonNegativeInt


@dataclass(frozen=True, config=_CONFIG)
class Record:
    """One run. Made by `make_record`, written by `write_record`, read by `read_record`.

    Parameters
    ----------
    dataset, model, split, cost, provenance, curve
        See the classes of that name; the curve has one `Epoch` for each.
    preset : str
        Name of the settings, one of `PRESETS`; with ``-epochsN``, ``-bf16``, ``-rateX`` where another number of
        epochs, precision or learning rate was asked for.
    quick : bool
        True for all but the published protocol: such a record shows that the code works, not what the method can do.
    settings : dict
        All settings of the training, by name; ``changed`` as in `FitResult`, where a run diverged and went on with
        others.
    seed : int
    scores : tuple of SubjectScores
        The test subjects.
    summary : Summary
        `summarise` of the scores.
    created : str
        UTC, ISO 8601.
    """

    dataset: DataSet
    model: Model
    preset: _Text
    quick: bool
    settings: dict[str, Any]
    seed: int
    split: Split
    provenance: Provenance
    cost: Cost
    curve: tuple[Epoch, ...]
    scores: tuple[SubjectScores, ...]
    summary: dict[str, dict[str, Statistic]]
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\+00:00|Z)$")]
    schema_version: Literal[2] = _VERSION

    @model_validator(mode="after")
    def _holds_together(self) -> Record:
        commit, split = self.provenance.commit, self.split
        scored, bins = [score.subject for score in self.scores], [s.reliability for s in self.scores if s.reliability]
        for holds, said in (
            (self.quick == _is_quick(self.preset), f"quick: {self.quick} does not go with preset {self.preset!r}"),
            (
                commit is None or re.fullmatch("[0-9a-f]{40,64}", commit),
                f"provenance.commit: expected 40 hexadecimal digits or more, found {commit!r}",
            ),
            (
                all(len(set(side)) == len(side) for side in (split.train, split.validation, split.test)),
                "split: a subject occurs twice on one side",
            ),
            (
                sorted(scored) == sorted(split.test),
                f"scores: expected the test subjects {sorted(split.test)} of fold {split.fold}, found {sorted(scored)}",
            ),
            (
                all(len(row) == BINS for b in bins for row in (b.count, b.confidence, b.accuracy)),
                f"scores: expected {BINS} bins of confidence in every reliability",
            ),
            (
                "mean" in self.summary
                and all(set(METRICS) >= set(row) == set(self.summary["mean"]) for row in self.summary.values()),
                f"summary: expected the same metrics, out of {', '.join(METRICS)}, of every organ and of 'mean'",
            ),
        ):
            if not holds:
                raise ValueError(said)
        return self


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
        If there are no scores, they are not those of the split's test subjects, or anything else does not fit.
    """
    with explained("record"):
        return Record(
            dataset=dataset,
            model=model,
            preset=preset,
            quick=_is_quick(preset),
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


def _is_quick(preset: str) -> bool:
    return preset != "paper"


@contextmanager
def explained(where: str | Path) -> Iterator[None]:
    """Say in our words what pydantic found first: file, place, reason, and what to do."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason, found = first["msg"].removeprefix("Value error, "), first["input"]
        if first["type"] == "json_invalid":
            raise DataError(f"{where}: expected a record in JSON, but it cannot be parsed ({reason}).") from error
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")
        what = f"at {place}, {reason}" if place else reason
        said = f", found {found!r:.80}" if isinstance(found, (str, int, float)) else ""
        raise DataError(
            f"{where}: not a record of version {_VERSION}: {what}{said}. Compare it with a record that can be read, or "
            "make it again."
        ) from error
