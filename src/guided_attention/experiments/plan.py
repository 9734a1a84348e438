"""The grid model x fold x seed: what there is to do, and how much of it is done (chapter *Ablation*).

A trial is finished when a record of the same data, network, settings and split lies in ``results``. A record of
anything else in its place is an error: nothing is replaced. Where the record is missing but the run's folder is
complete, the record is copied from there: the run was killed between the two, or somebody deleted the record, and
in neither case has the training to be done again. Who wants it trained again asks for it: ``fresh``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from guided_attention.data import DataSource
from guided_attention.errors import SettingsError
from guided_attention.experiments.job import Job
from guided_attention.experiments.record import keep_result, read_record, record_path, result_of
from guided_attention.experiments.run_record import DataSet, Model, Record
from guided_attention.experiments.same_data import data_difference
from guided_attention.experiments.trial import choose_fold, describe, initial_weights
from guided_attention.paths import RunFolder
from guided_attention.training.checkpoints import whole_checkpoints
from guided_attention.training.settings import counted

__all__ = ["Planned", "Status", "clear", "plan", "plan_table", "restore", "weights_for"]

Status = Literal["finished", "to restore", "half-finished", "to do"]


@dataclass(frozen=True)
class Planned:
    """A trial of the grid and how far it is.

    Parameters
    ----------
    job : Job
    folder, target : Path
        The run's folder; where the record belongs.
    status : {"finished", "to restore", "half-finished", "to do"}
    epochs : int
        In its last checkpoint.
    record : Record or None
        Of a finished trial, or the one to restore.
    """

    job: Job
    folder: Path
    target: Path
    status: Status
    epochs: int = 0
    record: Record | None = None


def plan(jobs: Sequence[Job], source: DataSource, results: str | Path, *, fresh: bool = False) -> list[Planned]:
    """Look at records and runs; nothing is changed.

    Parameters
    ----------
    jobs : sequence of Job
        All of the same data.
    source : DataSource
        That data. It is checked completely, unless it is verified already.
    results : path
        Folder of the records.
    fresh : bool
        Trials without a record there start from nothing, whatever lies in their run's folder.

    Returns
    -------
    list of Planned

    Raises
    ------
    SettingsError
        If a record of other data, network, settings or split lies where one of these belongs: names file and
        difference.
    DataError
        If something is wrong with the data, or a record is damaged or of an older version.
    """
    source, found = source.verified(), []
    for job in jobs:
        trial, folder = job.trial, job.folder(source.name)
        target = record_path(results, source.name, trial.model, trial.fold, trial.seed)
        if target.exists():
            found.append(Planned(job, folder, target, "finished", record=_same(target, job, source)))
            continue
        run = RunFolder(folder)
        epochs = 0 if fresh else max(whole_checkpoints(run.checkpoints), default=0)
        if not fresh and run.complete:
            found.append(Planned(job, folder, target, "to restore", epochs, _same(run.record, job, source)))
        else:
            found.append(Planned(job, folder, target, "half-finished" if epochs else "to do", epochs))
    return found


def restore(planned: Planned) -> Record:
    """Copy the record of a finished run to ``results``, and the masks if the data are synthetic."""
    return keep_result(planned.target, *result_of(RunFolder(planned.folder)))


def clear(planned: Planned) -> None:
    """Delete the run's folder of a trial.

    Raises
    ------
    SettingsError
        If a process is training there.
    """
    if not planned.folder.exists():
        return
    try:
        FileLock(RunFolder(planned.folder).lock).acquire(timeout=0).lock.release()
    except Timeout:
        raise SettingsError(
            f"{planned.folder}: another process is training there, so it cannot start from nothing. Stop that process, "
            "or leave out --fresh."
        ) from None
    shutil.rmtree(planned.folder)


def weights_for(weights: Path | None, job: Job) -> str | None:
    """Return the file with the ImageNet weights of a job's backbone; None for a network without one.

    Parameters
    ----------
    weights : Path or None
        A file, or a folder with one file per backbone whose name begins like it (``resnet101-63fe2227.pth``).

    Raises
    ------
    SettingsError
        If the folder has no such file, or several.
    """
    backbone = job.settings.model_options(job.trial.model).get("backbone")
    if weights is None or backbone is None:
        return None
    if not weights.is_dir():
        return str(weights.resolve())
    files = sorted(path for path in weights.glob(f"{backbone}*") if not path.stem[len(backbone) :][:1].isalnum())
    if len(files) != 1:
        names = ", ".join(path.name for path in files) or "none"
        raise SettingsError(f"weights={weights}: {job.trial.model} needs one file {backbone}*, found {names}.")
    return str(files[0].resolve())


def plan_table(found: Sequence[Planned]) -> str:
    """Lay out a plan as plain text: how many trials of each kind, then one line per trial."""
    kinds: tuple[Status, ...] = ("finished", "to restore", "half-finished", "to do")
    counts = ", ".join(f"{sum(entry.status == kind for entry in found)} {kind}" for kind in kinds)
    lines = [f"{len(found)} trials: {counts}"]
    for entry in found:
        trial, total = entry.job.trial, entry.job.settings.fit.epochs
        done = f"  {entry.epochs} of {total} epochs" if entry.status == "half-finished" else ""
        lines.append(f"  {trial.model:<16}fold {trial.fold}  seed {trial.seed}  {entry.status}{done}")
    return "\n".join(lines)


def _same(path: Path, job: Job, source: DataSource) -> Record:
    """Read a record, and raise unless it is one of this job."""
    record, preset = read_record(path), job.settings
    fold = choose_fold(source, job.trial.fold)
    started = initial_weights(job.weights) if record.model.initial_weights else None  # an older record does not know
    wanted = {
        "dataset": _words(describe(source)),
        "model": asdict(Model(job.trial.model, preset.model_options(job.trial.model), started)),
        "preset": preset.name,
        "settings": preset.fit.as_dict() | {"seed": job.trial.seed},
        "seed": job.trial.seed,
        "split": {"fold": fold.index, "train": fold.train, "validation": fold.validation, "test": fold.test},
    }
    present = {
        "dataset": _words(record.dataset),
        "model": asdict(record.model),
        "preset": record.preset,
        "settings": counted(record.settings),
        "seed": record.seed,
        "split": asdict(record.split),
    }
    different = list(_differences(*(json.loads(json.dumps(words)) for words in (present, wanted))))
    if not different and (data := data_difference(record, source.fingerprints)):
        different = [f"its data are not those of {source.path}: {data}"]
    if different:
        raise SettingsError(
            f"{path} is the record of another experiment ({'; '.join(different[:4])}) and is not replaced. "
            "Give another results folder (a run's own record: start anew with --fresh)."
        )
    return record


def _words(dataset: DataSet) -> dict[str, Any]:
    """Everything but the digests, which not every record has; organs by name, also where they go without saying."""
    known = {name: value for name, value in asdict(dataset).items() if name not in ("digests", "classes")}
    return {**known, "organs": dataset.organs}


def _differences(present: Any, wanted: Any, place: str = "") -> Any:
    if isinstance(present, dict) and isinstance(wanted, dict):
        for name in {**present, **wanted}:
            yield from _differences(present.get(name), wanted.get(name), f"{place}.{name}" if place else name)
    elif present != wanted:
        yield f"{place} is {present!r} there, asked for is {wanted!r}"
