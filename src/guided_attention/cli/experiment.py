"""The command ``guided-attention experiment``: the grid model x fold x seed (chapter *Ablation*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tyro.conf import OmitArgPrefixes

from guided_attention.cli.grid import Folders, Grid, Machines
from guided_attention.cli.options import Data
from guided_attention.data import DataSource
from guided_attention.experiments import cluster, local
from guided_attention.experiments.job import AGAIN, Job, Outcome, Stretch
from guided_attention.experiments.plan import Planned, clear, plan, plan_table, restore, weights_for
from guided_attention.experiments.release import best_run, export_half
from guided_attention.experiments.run_record import Record
from guided_attention.experiments.same_data import name_by_data
from guided_attention.training.changes import Changes

__all__ = ["experiment", "outcome_table"]


def experiment(
    grid: OmitArgPrefixes[Grid] = Grid(),
    changes: OmitArgPrefixes[Changes] = Changes(),
    data: OmitArgPrefixes[Data] = Data(),
    folders: OmitArgPrefixes[Folders] = Folders(),
    machines: OmitArgPrefixes[Machines] = Machines(),
    dry_run: bool = False,
) -> None:
    """Train and evaluate every model on every fold with every seed, and write a record each.

    Prints its plan first. Finished trials are skipped, interrupted ones go on from their last checkpoint when the same
    command is given again, and one that fails does not stop the others. A deleted record is copied again from its run's
    folder; with --fresh the trial is trained again. Runs and records are known by their data, not by the name of their
    folder: other images or labels get folders DATASET-DIGEST.

    The command ends with status 0 if every trial has its record, 1 if one failed, and 75 if none failed but --minutes
    left something for the next call.

    Args:
        dry_run: Only print the plan.
    """
    machines.check()
    stretch = None if machines.minutes is None else Stretch.of_minutes(machines.minutes)
    source, notice = name_by_data(data.open(), folders.runs, folders.results)
    jobs = [
        Job(
            trial,
            data=str(source.path.resolve()),
            sequence=data.sequence,
            phase=data.phase,
            preset=grid.preset,
            changes=changes.on(machines.accelerator),  # on a cluster, this machine chooses for all
            runs=str(folders.runs.resolve()),
            results=str(folders.results.resolve()),
            accelerator=machines.accelerator,
            threads=machines.threads_each(),
            dataset=source.name,
            stretch=stretch,
        )
        for trial in grid.trials(source)
    ]
    jobs = [replace(job, weights=weights_for(folders.weights, job)) for job in jobs]
    found = plan(jobs, source, folders.results, fresh=grid.fresh)
    if notice:
        print(notice)
    print(f"{source.name}, preset {jobs[0].settings.name}, results {folders.results}, runs {folders.runs}")
    print(plan_table(found), flush=True)
    if dry_run:
        return
    outcomes = _run_all(found, grid.fresh, machines)
    print(outcome_table(found, outcomes), flush=True)
    if folders.export is not None:
        _export(found, source, folders.export, machines)
    if any(outcome.error for outcome in outcomes):
        raise SystemExit(1)
    if any(outcome.left for outcome in outcomes):
        raise SystemExit(AGAIN)


def _run_all(found: Sequence[Planned], fresh: bool, machines: Machines) -> list[Outcome]:
    """Do what there is to do, and say so; outcomes in the order of the plan."""
    outcomes = {entry.job: Outcome(entry.job, entry.record) for entry in found if entry.status == "finished"}
    waiting = [entry for entry in found if entry.status in ("half-finished", "to do")]
    if waiting:
        print("data checked: nothing wrong", flush=True)
    if fresh:
        for entry in waiting:
            clear(entry)
    for entry in found:
        if entry.status == "to restore":
            outcomes[entry.job] = Outcome(entry.job, restore(entry))

    def report(outcome: Outcome) -> None:
        outcomes[outcome.job] = outcome
        said = outcome.left or (f"FAILED: {outcome.error}" if outcome.record is None else _score(outcome.record))
        print(f"[{len(outcomes)}/{len(found)}] {outcome.job}: {said}", flush=True)

    if machines.ray is None:
        local.run_here(waiting, machines.workers, machines.accelerator, report)
    elif waiting:
        cluster.run_on_ray(waiting, machines.ray, machines.accelerator, machines.retries, report)
    return [outcomes[entry.job] for entry in found]


def _export(found: Sequence[Planned], source: DataSource, out: Path, machines: Machines) -> None:
    """Write the best run of each network in half precision; a network without a finished run here is named."""
    device = "cuda" if machines.accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    for model in dict.fromkeys(entry.job.trial.model for entry in found):
        folder = best_run([entry.folder for entry in found if entry.job.trial.model == model])
        if folder is None:
            print(f"{model}: nothing to export, because no run of it is finished here")
            continue
        notes = export_half(folder, source, out, device)
        lost = notes["test_dice_float32"] - notes["test_dice_float16"]
        print(f"{model}: {folder.name} exported in half precision, which costs {lost:.4f} of the mean test DSC")


def outcome_table(found: Sequence[Planned], outcomes: Sequence[Outcome]) -> str:
    """Lay out what an experiment gave: mean DSC over organs and subjects, seconds, and the errors.

    Parameters
    ----------
    found : sequence of Planned; outcomes : sequence of Outcome
        In the same order.
    """
    lines = [f"{'model':<16}{'fold':>5}{'seed':>5}{'mean DSC':>10}{'seconds':>9}  "]
    for entry, outcome in zip(found, outcomes, strict=True):
        trial, record = outcome.job.trial, outcome.record
        start = f"{trial.model:<16}{trial.fold:>5}{trial.seed:>5}"
        if record is None:
            lines.append(f"{start}{'-':>10}{'-':>9}  {outcome.left or 'failed'}")
            continue
        before = {"finished": "finished before", "to restore": "restored from its run"}.get(entry.status, "")
        lines.append(f"{start}{record.summary['mean']['dsc'].mean:>10.3f}{_seconds(record):>9.0f}  {before}")
    lines += [f"{o.job} failed: {o.error}" for o in outcomes if o.error]
    left = sum(bool(outcome.left) for outcome in outcomes)
    if left:
        lines.append(f"left for the next call of the same command: {left} of {len(outcomes)} trials.")
    records = [o.record for o in outcomes if o.record is not None]
    if any(record.quick for record in records):
        lines.append("quick runs: they show that everything works, not how good a network is.")
    if any(record.dataset.synthetic for record in records):
        lines.append("synthetic data: no statement about patients.")
    return "\n".join(line.rstrip() for line in lines)


def _score(record: Record) -> str:
    return f"mean DSC {record.summary['mean']['dsc'].mean:.3f}, {_seconds(record):.0f} s"


def _seconds(record: Record) -> float:
    return (record.cost.training_seconds or 0) + (record.cost.evaluation_seconds or 0)
