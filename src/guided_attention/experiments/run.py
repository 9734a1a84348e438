"""One trial of the grid model x fold x seed: from a data source to a trained, evaluated network and its record.

Chapter *Training the network* runs one; the command line runs the same function.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import nn

from guided_attention.data import DataSource, Fold, Volume
from guided_attention.errors import CheckpointError, SettingsError
from guided_attention.evaluation.volumes import evaluate
from guided_attention.experiments.label_volumes import write_masks
from guided_attention.experiments.record import keep_result, read_record, record_path, result_of, write_record
from guided_attention.experiments.run_record import Cost, Model, Record, Split, make_record
from guided_attention.experiments.same_data import data_difference
from guided_attention.experiments.seen import digests_seen
from guided_attention.experiments.trial import Trial, choose_fold, describe, initial_weights
from guided_attention.models import build_model
from guided_attention.models.stored.weights import ModelSpec, save_network
from guided_attention.paths import RunFolder
from guided_attention.provenance import peak_memory
from guided_attention.training.devices import HERE, Where, is_first_process
from guided_attention.training.loop import fit
from guided_attention.training.settings import Preset

__all__ = ["run_trial"]


def run_trial(
    trial: Trial,
    source: DataSource,
    preset: Preset,
    out_dir: str | Path,
    *,
    results: str | Path | None = None,
    weights: str | Path | None = None,
    where: Where = HERE,
    progress: bool = True,
) -> Record:
    """Check the data, train, evaluate the test subjects as whole volumes, and write down everything.

    Parameters
    ----------
    trial : Trial
        What to train.
    source : DataSource
        From `guided_attention.data.open_source`. It is checked completely before anything else happens, unless it
        is verified already.
    preset : Preset
        Network size and protocol.
    out_dir : path
        Gets what `guided_attention.paths.RunFolder` lists. An interrupted run goes on from there; a second process
        waits until the first has finished.
    results : path, optional
        Also write the record to ``results/DATASET/MODEL/foldK-seedS.json``, and beside it the predicted masks if the
        data are synthetic: masks of patients stay in ``out_dir``.
    weights : path, optional
        ImageNet weights of the backbone.
    where : Where
        On which devices, and until when.
    progress : bool
        Show progress bars.

    Returns
    -------
    Record

    Raises
    ------
    DataError
        If the check finds anything; the message is the whole report.
    SettingsError, CheckpointError
        If an argument cannot work, or ``out_dir`` or ``results`` hold another run (network, data, fold, seed,
        settings).
    OutOfTimeError
        If the time of ``where`` is over before the last epoch: the same call goes on from there.
    """
    fold = choose_fold(source, trial.fold)
    target = None if results is None else record_path(results, source.name, trial.model, trial.fold, trial.seed)
    there = read_record(target) if target is not None and target.exists() else None
    if there is not None and there.preset != preset.name:
        raise SettingsError(
            f"{target} is a record of preset {there.preset!r}; a run of preset {preset.name!r} must not replace it. "
            "Give another results folder."
        )
    first = is_first_process(where)  # also: does this machine have such devices?
    options = preset.model_options(trial.model)
    torch.manual_seed(trial.seed)
    pretrained = {} if weights is None else {"weights": str(weights)}
    model = build_model(trial.model, len(source.channels), len(source.label_set), **options, **pretrained)
    started = initial_weights(weights)
    if there is not None and there.model.initial_weights not in (None, started):
        raise SettingsError(
            f"{target} is a record of a network that started from other weights ({there.model.initial_weights}; this "
            f"one from {started}) and is not replaced. Give another results folder."
        )
    source = source.verified()
    if there is not None and (different := data_difference(there, source.fingerprints)):
        raise SettingsError(
            f"{target} is a record of other data than {source.path} ({different}) and is not replaced. Give another "
            "results folder."
        )
    run = RunFolder(out_dir)
    run.path.mkdir(parents=True, exist_ok=True)
    # Of the processes that share one training only the first takes the lock and writes.
    with FileLock(run.lock) if first else nullcontext():
        record = _train_and_evaluate(
            model,
            Model(trial.model, options, started),
            trial,
            fold,
            source,
            preset,
            run,
            where=where,
            progress=progress,
            origin={
                # without digests: `fit` keeps those of the volumes that it is handed
                "data": {k: v for k, v in asdict(describe(source)).items() if k != "digests" and v is not None},
                "model": trial.model,
                "options": options,
                "pretrained": weights is not None and started,
            },
        )
    if target is not None and first:
        keep_result(target, *result_of(run))
    return record


def _train_and_evaluate(
    model: nn.Module,
    described: Model,
    trial: Trial,
    fold: Fold,
    source: DataSource,
    preset: Preset,
    run: RunFolder,
    *,
    where: Where,
    progress: bool,
    origin: dict[str, Any],
) -> Record:
    settings = replace(preset.fit, seed=trial.seed)
    start = time.perf_counter()
    result = fit(
        model,
        _read(source, fold.train),
        _read(source, fold.validation),
        settings,
        run.path,
        where=where,
        origin=origin,
        progress=progress,
    )
    if result.resumed_from == settings.epochs and run.complete:
        finished = read_record(run.record)
        if different := data_difference(finished, source.fingerprints):
            raise CheckpointError(
                f"{run.record}: this run was tested on other data than {source.path} ({different}). Give another "
                "output folder, or delete this one."
            )
        return finished  # what was measured then stands
    trained = time.perf_counter()
    # The sum over epochs also counts what ran before an interruption; the clock counts reading and resizing once.
    training = max(trained - start, sum(entry["seconds"] for entry in result.history))
    device = next(model.parameters()).device
    masks: dict[str, np.ndarray] = {}

    def keep(prediction: Volume) -> None:
        masks[prediction.subject] = prediction.labels

    scores = evaluate(
        model,
        source.volumes(fold.test),
        settings.inputs,
        batch_size=settings.batch_size,
        device=device,
        precision=settings.precision,
        on_prediction=keep,
        progress=progress,
    )
    cost = Cost(round(training, 1), round(time.perf_counter() - trained, 1), peak_memory(device))
    record = make_record(
        dataset=describe(source),
        model=described,
        preset=preset.name,
        settings={**settings.as_dict(), **({"changed": result.changed} if result.changed else {})},
        seed=trial.seed,
        split=Split(trial.fold, fold.train, fold.validation, fold.test),
        scores=scores,
        curve=result.history,
        cost=cost,
        device=device,
    )
    notes = {
        "dataset": source.name,
        "synthetic": record.dataset.synthetic,
        "preset": preset.name,
        "fold": trial.fold,
        "seed": trial.seed,
        "epoch": result.best_epoch,
        "precision": settings.precision,
        "commit": record.provenance.commit,
        "seen": digests_seen(record.split, record.dataset.digests),
    }
    spec = ModelSpec(
        trial.model,
        described.options,
        settings.inputs,
        in_channels=len(source.channels),
        label_set=source.label_set,
        notes=notes,
        channels=source.channels,
    )
    if is_first_process(where):
        save_network(run.weights, model, spec)
        write_masks(run.predictions, masks)
        write_record(record, run.record)
    return record


def _read(source: DataSource, subjects: Sequence[str]) -> list[Volume]:
    return [source.read(subject) for subject in subjects]
