"""The records of one data set, checked to be comparable (chapters *Ablation* and *State of the art*)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from guided_attention.data.read.names import natural_order
from guided_attention.errors import DataError
from guided_attention.evaluation.scores import METRICS
from guided_attention.experiments.record import read_record, record_path
from guided_attention.experiments.run_record import DataSet, Record
from guided_attention.models import MODELS
from guided_attention.report.comparable import check_comparable

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Results", "load_results"]


@dataclass(frozen=True)
class Results:
    """Records that may stand in one table: one data set, one preset, the same splits. Made by `load_results`.

    Parameters
    ----------
    root : Path
        The results folder.
    dataset : DataSet
    preset : str
    quick : bool
        True for all but the published protocol.
    records : mapping from network to tuple of Record
        Networks in the order of `MODELS`, records by fold and seed.
    """

    root: Path
    dataset: DataSet
    preset: str
    quick: bool
    records: Mapping[str, tuple[Record, ...]]

    @property
    def models(self) -> tuple[str, ...]:
        """Networks with a record."""
        return tuple(self.records)

    @property
    def missing(self) -> tuple[str, ...]:
        """Networks of the book without a record."""
        return tuple(model for model in MODELS if model not in self.records)

    @property
    def trials(self) -> tuple[tuple[int, int], ...]:
        """Pairs (fold, seed) that any network has."""
        return tuple(sorted({(r.split.fold, r.seed) for records in self.records.values() for r in records}))

    @property
    def gaps(self) -> tuple[tuple[str, int, int], ...]:
        """Trials (network, fold, seed) that another network has and this one lacks."""
        have = {(model, r.split.fold, r.seed) for model, records in self.records.items() for r in records}
        return tuple((m, *trial) for m in self.records for trial in self.trials if (m, *trial) not in have)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Test subjects of all folds."""
        return natural_order({s for records in self.records.values() for r in records for s in r.split.test})

    @property
    def columns(self) -> tuple[str, ...]:
        """The organs that were scored, and ``mean``."""
        return (*self.dataset.organs, "mean")

    @property
    def label(self) -> str:
        """What every table and figure must say about its numbers."""
        kind = "synthetic, " if self.dataset.synthetic else ""
        how = "quick run" if self.quick else "published protocol"
        folds, seeds = (sorted({trial[i] for trial in self.trials}) for i in (0, 1))
        return (
            f"{self.dataset.name}, {kind}{how} (preset {self.preset}), {_list('fold', folds)}, {_list('seed', seeds)}, "
            f"{len(self.subjects)} test subjects"
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that belong below every table: missing networks, gaps."""
        found = []
        if self.missing:
            found.append(f"Without a record: {', '.join(self.missing)}.")
        if self.gaps:
            gaps = ", ".join(f"{model} fold {fold} seed {seed}" for model, fold, seed in self.gaps)
            found.append(f"Networks were not tested on the same subjects or seeds; missing trials: {gaps}.")
        return tuple(found)

    def of(self, model: str) -> tuple[Record, ...]:
        """Return the records of one network, or raise a `DataError` that says which networks have some."""
        if model not in self.records:
            raise DataError(
                f"{self.root / self.dataset.name}: there is no record of model {model!r}; "
                f"found {', '.join(self.models)}. Make it with `guided-attention experiment --models {model}`."
            )
        return self.records[model]

    @cached_property
    def scores(self) -> DataFrame:
        """Every score: columns ``model``, ``fold``, ``seed``, ``subject``, ``organ``, ``metric`` and ``value``.

        ``mean`` among the organs is the mean over those of a subject that could be measured; NaN marks an organ that
        is absent from reference and prediction. Subjects come in natural order.
        """
        import pandas as pd

        place = {subject: i for i, subject in enumerate(self.subjects)}
        rows = [
            (model, r.split.fold, r.seed, score.subject, organ, metric, value)
            for model, records in self.records.items()
            for r in records
            for score in r.scores
            for metric in METRICS
            for organ, value in [*((o.organ, getattr(o, metric)) for o in score.organs), ("mean", score.mean(metric))]
        ]
        rows.sort(key=lambda row: place[row[3]])
        return pd.DataFrame(rows, columns=["model", "fold", "seed", "subject", "organ", "metric", "value"])

    def scores_of(self, model: str) -> DataFrame:
        """Return the rows of `scores` of one network; raises as `of` does."""
        self.of(model)
        return self.scores[self.scores["model"] == model]


def load_results(
    root: str | Path,
    dataset: str,
    preset: str | None = None,
    folds: Iterable[int] | None = None,
    seeds: Iterable[int] | None = None,
) -> Results:
    """Read the records of one data set and check that they may stand in one table.

    Parameters
    ----------
    root : path
        The results folder, with ``DATASET/MODEL/foldK-seedS.json``.
    dataset : str
        Name of the data set; two of them never mix.
    preset : str, optional
        Only records of this preset. Needed where records of several lie side by side.
    folds, seeds : iterable of int, optional
        Only these.

    Raises
    ------
    DataError
        If there is no record, a record is damaged or not in its place, or records of different presets, settings,
        network sizes, splits, images or labels would be mixed: the message names the files.
    """
    root = Path(root)
    folder = root / dataset
    folds, seeds = (None if chosen is None else set(chosen) for chosen in (folds, seeds))
    found: dict[Path, Record] = {}
    for path in sorted(folder.glob("*/fold*-seed*.json")):
        record = read_record(path)
        _check_place(root, path, record)
        wanted = (preset in (None, record.preset), folds is None or record.split.fold in folds)
        if all(wanted) and (seeds is None or record.seed in seeds):
            found[path] = record
    if not found:
        there = sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
        raise DataError(
            f"{folder}: expected records MODEL/foldK-seedS.json"
            + "".join(
                f", {n} {v}" for n, v in (("preset", preset), ("folds", folds), ("seeds", seeds)) if v is not None
            )
            + f"; found none. Data sets in {root}: {', '.join(there) or 'none'}."
        )
    check_comparable(found)
    order = {model: i for i, model in enumerate(MODELS)}
    ranked = sorted(found.values(), key=lambda r: (order[r.model.name], r.split.fold, r.seed))
    records = {model: tuple(of_model) for model, of_model in groupby(ranked, key=lambda r: r.model.name)}
    first = ranked[0]
    dataset = next((r.dataset for r in ranked if r.dataset.digests is not None), first.dataset)
    return Results(root, dataset, first.preset, any(r.quick for r in ranked), records)


def _check_place(root: Path, path: Path, record: Record) -> None:
    expected = record_path(root, record.dataset.name, record.model.name, record.split.fold, record.seed)
    if expected != path:
        raise DataError(f"{path}: what it says of itself belongs to {expected}. Move it there, or make it again.")
    if record.model.name not in MODELS:
        raise DataError(f"{path}: model {record.model.name!r} is unknown; expected one of {', '.join(MODELS)}.")


def _list(word: str, numbers: Iterable[int]) -> str:
    numbers = list(numbers)
    return f"{word}{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
