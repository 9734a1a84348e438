"""The command ``guided-attention experiment``: the grid model x fold x seed (chapter *Ablation*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from guided_attention.cli.data import Phase, SequenceName, open_data
from guided_attention.errors import SettingsError

if TYPE_CHECKING:
    from guided_attention.experiments.job import Outcome
    from guided_attention.experiments.plan import Planned
    from guided_attention.experiments.run_record import Record

__all__ = ["experiment", "outcome_table"]


def experiment(
    data: str = "phantom",
    preset: str = "quick",
    models: str = "all",
    folds: str = "0,1,2",
    seeds: str = "0",
    results: Path = Path("results"),
    runs: Path = Path("runs"),
    sequence: SequenceName = "T1DUAL",
    phase: Phase = "in",
    epochs: int | None = None,
    weights: Path | None = None,
    accelerator: str = "auto",
    workers: int = 1,
    threads: int | None = None,
    ray: str | None = None,
    retries: int = 3,
    dry_run: bool = False,
    fresh: bool = False,
) -> None:
    """Train and evaluate every model on every fold with every seed, and write a record each.

    Prints its plan first. Finished trials are skipped, interrupted ones go on from their last checkpoint when the same
    command is given again, and one that fails does not stop the others: the command then ends with status 1. A
    deleted record is copied again from its run's folder; with --fresh the trial is trained again. Runs and records are
    known by their data, not by the name of their folder: other images or labels get folders DATASET-DIGEST.

    Args:
        data: A CHAOS tree, a folder of NIfTI files, or the word phantom (made on first use).
        preset: quick (128 x 128, small networks, minutes on a processor) or paper (the published protocol).
        models: Names with commas between them, or the word all.
        folds: Numbers with commas between them.
        seeds: Numbers with commas between them.
        results: Folder of the records, RESULTS/DATASET/MODEL/foldK-seedS.json.
        runs: Folder of checkpoints and weights.
        sequence: Sequence of a CHAOS tree.
        phase: In-phase or out-of-phase images of T1-DUAL.
        epochs: Another number of epochs than the preset's.
        weights: File with ImageNet weights, or a folder with one per backbone (resnet101-63fe2227.pth).
        accelerator: auto, cpu or cuda.
        workers: Trials side by side on this machine, one process and one GPU each. (One training on several devices is
            train --devices.)
        threads: Threads of the processor, shared by the workers; with --ray, of each trial.
        ray: Run on a Ray cluster: auto, or its address HOST:PORT. Data and runs must lie in shared storage.
        retries: How often a trial is run again on the cluster after its process or machine died.
        dry_run: Only print the plan.
        fresh: Trials without a record start from nothing: what their run's folder holds is deleted.
    """
    from guided_attention.experiments import cluster
    from guided_attention.experiments import local as grid_local
    from guided_attention.experiments import plan as grid
    from guided_attention.experiments.job import Job, Outcome
    from guided_attention.experiments.same_data import name_by_data

    if ray is not None:
        cluster.require_ray()
    chosen = _models(models), _numbers("folds", folds), _numbers("seeds", seeds)
    source, notice = name_by_data(open_data(data, sequence, phase), runs, results)
    common = {
        "data": str(source.path.resolve()),
        "sequence": sequence,
        "phase": phase,
        "preset": preset,
        "epochs": epochs,
        "runs": str(runs.resolve()),
        "results": str(results.resolve()),
        "accelerator": accelerator,
        "threads": _threads(threads, workers, ray is not None),
        "dataset": source.name,
    }
    jobs = [Job(trial, **common) for trial in _trials(*chosen, source)]
    jobs = [replace(job, weights=grid.weights_for(weights, job)) for job in jobs]
    found = grid.plan(jobs, source, results, fresh=fresh)
    if notice:
        print(notice)
    print(f"{source.name}, preset {jobs[0].settings.name}, results {results}, runs {runs}")
    print(grid.plan_table(found), flush=True)
    if dry_run:
        return
    outcomes = {entry.job: Outcome(entry.job, entry.record) for entry in found if entry.status == "finished"}
    waiting = [entry for entry in found if entry.status in ("half-finished", "to do")]
    if waiting:
        print("data checked: nothing wrong", flush=True)
    if fresh:
        for entry in waiting:
            grid.clear(entry)
    for entry in found:
        if entry.status == "to restore":
            outcomes[entry.job] = Outcome(entry.job, grid.restore(entry))

    def report(outcome: Outcome) -> None:
        outcomes[outcome.job] = outcome
        said = f"FAILED: {outcome.error}" if outcome.record is None else _score(outcome.record)
        print(f"[{len(outcomes)}/{len(found)}] {outcome.job}: {said}", flush=True)

    if ray is None:
        grid_local.run_here(waiting, workers, accelerator, report)
    elif waiting:
        cluster.run_on_ray(waiting, ray, accelerator, retries, report)
    print(outcome_table(found, [outcomes[entry.job] for entry in found]))
    failed = [outcome for outcome in outcomes.values() if outcome.record is None]
    if failed:
        raise SystemExit(1)


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
            lines.append(f"{start}{'-':>10}{'-':>9}  failed")
            continue
        before = {"finished": "finished before", "to restore": "restored from its run"}.get(entry.status, "")
        lines.append(f"{start}{record.summary['mean']['dsc'].mean:>10.3f}{_seconds(record):>9.0f}  {before}")
    lines += [f"{o.job} failed: {o.error}" for o in outcomes if o.record is None]
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


def _models(text: str) -> list[str]:
    from guided_attention.errors import require_choice
    from guided_attention.models import MODELS

    names = list(MODELS) if text == "all" else list(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        require_choice("models", name, (*MODELS, "all"))
    return names


def _numbers(argument: str, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError(f"{argument}={text!r}: expected whole numbers with commas between them, such as 0,1,2.")
    return list(dict.fromkeys(int(part) for part in parts))


def _trials(models, folds, seeds, source):
    """Fold by fold, so that networks can be compared early; a fold that does not exist raises."""
    from guided_attention.experiments.trial import Trial, choose_fold

    for fold in folds:
        choose_fold(source, fold)
    return [Trial(model, fold, seed) for seed, fold, model in product(seeds, folds, models)]


def _threads(threads: int | None, workers: int, cluster: bool) -> int:
    """Threads of one trial."""
    import torch

    for name, value in (("threads", threads), ("workers", workers)):
        if value is not None and value < 1:
            raise SettingsError(f"{name}={value} must be 1 or more.")
    if cluster:
        return threads or 1
    return max(1, (threads or torch.get_num_threads()) // workers)
