"""The grid on a Ray cluster: each trial a task that is run again when its process or machine dies (*Ablation*).

Data and the folder of runs lie in storage that every machine sees under the same name. A trial that is run again goes
on from its last checkpoint there. Records come back to the driver, which writes them as they arrive.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from guided_attention.errors import GuidedAttentionError, OutOfTimeError, SettingsError, require_extra
from guided_attention.experiments.job import Job, Outcome, run_job
from guided_attention.experiments.label_volumes import masks_path
from guided_attention.experiments.plan import Planned
from guided_attention.experiments.record import read_record
from guided_attention.experiments.stretch import need, why_not
from guided_attention.files import write_bytes

__all__ = ["require_ray", "run_on_ray"]


def require_ray() -> None:
    """Raise a `MissingExtraError` that says how to install Ray, unless it is there; each machine needs it."""
    require_extra("cluster", "ray")


def run_on_ray(
    planned: Sequence[Planned],
    address: str,
    accelerator: str = "auto",
    retries: int = 3,
    on_end: Callable[[Outcome], None] = print,
) -> list[Outcome]:
    """Run trials on a cluster, as many at a time as its processors (and GPUs) allow.

    Parameters
    ----------
    planned : sequence of Planned
        Paths in their jobs must be absolute. A task takes the job's threads as processors, and a GPU unless
        ``accelerator`` is ``"cpu"`` or the cluster has none.
    address : str
        ``auto`` or HOST:PORT of a running cluster; ``local`` starts one here. A connection that is open is used.
    accelerator : {"auto", "cpu", "cuda"}
    retries : int
        How often a trial is run again after its process or machine died. An error of the trial itself is final.
    on_end : callable
        Told about every trial that ends, after its record is written.

    Returns
    -------
    list of Outcome
        In the order in which they ended.

    Raises
    ------
    MissingExtraError
        If Ray is missing.
    SettingsError
        If there is no cluster, or none of its machines is large enough for a trial.
    """
    require_ray()
    import ray
    from ray.exceptions import RayError

    opened = not ray.is_initialized()
    if opened:
        try:
            ray.init(address=address, log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise SettingsError(f"ray={address!r}: no cluster there ({reason}). Start one: ray start --head.") from None
    try:
        gpus = _gpus(accelerator, planned)
        task = ray.remote(max_calls=1)(_work)  # a process for every trial: its peak of memory is its own
        pending = {
            task.options(
                num_cpus=entry.job.threads, num_gpus=gpus, max_retries=retries, name=f"trial {entry.job}"
            ).remote(replace(entry.job, results=None).to_json()): entry
            for entry in planned
        }
        ended = []
        while pending:
            for done in ray.wait(list(pending), num_returns=1)[0]:
                entry = pending.pop(done)
                try:
                    outcome = _receive(entry, *ray.get(done))
                except RayError as error:
                    late = isinstance(getattr(error, "cause", None), OutOfTimeError)
                    outcome = Outcome(entry.job, **{"left" if late else "error": _reason(error)})
                ended.append(outcome)
                on_end(outcome)
        return ended
    finally:
        if opened:
            ray.shutdown()


def _work(text: str) -> tuple[bytes, bytes | None]:
    """Run a job on some machine of the cluster; returns the files that belong to ``results``."""
    job = Job.from_json(text)
    if job.stretch is not None:
        reason = why_not(need(job, job.folder(job.source().name)), job.stretch, time.time())
        if reason:
            raise OutOfTimeError(f"not started: {reason}")
    record = run_job(job)
    folder = job.folder(record.dataset.name)
    masks = (folder / "predictions.npz").read_bytes() if record.dataset.synthetic else None
    return (folder / "record.json").read_bytes(), masks


def _receive(entry: Planned, record: bytes, masks: bytes | None) -> Outcome:
    if masks is not None:
        write_bytes(masks_path(entry.target), masks)
    return Outcome(entry.job, read_record(write_bytes(Path(entry.target), record)))


def _reason(error: Exception) -> str:
    cause = getattr(error, "cause", None)
    if isinstance(cause, (GuidedAttentionError, OSError)):
        return str(cause)
    return str(error).strip().splitlines()[-1]


def _gpus(accelerator: str, planned: Sequence[Planned]) -> int:
    """GPUs of a task; raises where no machine could ever run it, because such a task waits for ever."""
    import ray

    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    has_gpu = any(machine.get("GPU", 0) >= 1 for machine in machines)
    gpus = int(accelerator == "cuda" or (accelerator == "auto" and has_gpu))
    threads = max((entry.job.threads for entry in planned), default=1)
    if not any(machine.get("CPU", 0) >= threads and machine.get("GPU", 0) >= gpus for machine in machines):
        raise SettingsError(
            f"ray: a trial needs {threads} processors and {gpus} GPUs, and no machine of the cluster has them. "
            "Give fewer --threads, or --accelerator cpu."
        )
    return gpus
