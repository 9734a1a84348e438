"""Trials of the grid side by side on this machine: a process each, pinned to one device (chapter *Ablation*).

One training that is shared by several devices is another thing: ``guided-attention train --devices``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from guided_attention.errors import SettingsError
from guided_attention.experiments.job import AGAIN, Outcome
from guided_attention.experiments.plan import Planned
from guided_attention.experiments.record import read_record
from guided_attention.experiments.stretch import choose, need, why_not
from guided_attention.training.devices import require_devices

__all__ = ["device_environment", "run_here"]

#: Seconds that a process gets to die after it was asked to.
_GRACE = 5.0
#: A process for every trial, not one for many: it frees all memory, and its peak is the trial's own.
_COMMAND = (sys.executable, "-m", "guided_attention.experiments.job")


@dataclass
class _Running:
    planned: Planned
    process: subprocess.Popen
    log: Path
    begins: int  # bytes of the log that earlier runs wrote
    slot: int


def run_here(
    planned: Sequence[Planned],
    workers: int,
    accelerator: str = "auto",
    on_end: Callable[[Outcome], None] = print,
    command: Sequence[str] = _COMMAND,
) -> list[Outcome]:
    """Run trials, ``workers`` at a time. A trial that fails, or is killed, does not stop the others.

    Parameters
    ----------
    planned : sequence of Planned
        In the order in which they start; with a stretch of time in their jobs those that cannot finish are left out.
    workers : int
        Processes at a time. On GPUs worker i gets GPU i, and they share where there are more workers than GPUs.
    accelerator : {"auto", "cpu", "cuda"}
        As the jobs have it.
    on_end : callable
        Told about every trial that ends.
    command : sequence of str
        Program of a worker: gets the job as the first line of its input.

    Returns
    -------
    list of Outcome
        In the order in which they ended.

    Raises
    ------
    SettingsError
        If ``workers`` is less than 1, or there is no such device.
    """
    if workers < 1:
        raise SettingsError(f"workers={workers} must be 1 or more.")
    require_devices(accelerator, 1)
    waiting, free, running, ended = list(planned), list(range(workers)), [], []

    def close(outcome: Outcome) -> None:
        ended.append(outcome)
        on_end(outcome)

    try:
        while waiting or running:
            while free and (entry := _next(waiting)):
                waiting.remove(entry)
                try:
                    running.append(_start(entry, free[0], accelerator, command))
                except OSError as error:  # no folder can be made for it: its own misfortune
                    close(Outcome(entry.job, error=str(error)))
                else:
                    free.pop(0)
            if not running:
                break  # no time is left for those that wait
            while not (over := [entry for entry in running if entry.process.poll() is not None]):
                time.sleep(0.05)
            for entry in over:
                running.remove(entry)
                free.append(entry.slot)
                close(_outcome(entry))
    finally:  # also after Ctrl-C: no training outlives the experiment
        for entry in running:
            entry.process.terminate()
        for entry in running:
            try:
                entry.process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                entry.process.kill()
                entry.process.wait()
            entry.process.stdin.close()
    for entry in waiting:
        needed = need(entry.job, entry.folder, entry.target.parent)
        close(Outcome(entry.job, left=f"not started: {why_not(needed, entry.job.stretch, time.time())}"))
    return ended


def _next(waiting: Sequence[Planned]) -> Planned | None:
    if not waiting or waiting[0].job.stretch is None:
        return waiting[0] if waiting else None
    return choose(waiting, waiting[0].job.stretch, time.time())


def device_environment(slot: int, accelerator: str, threads: int) -> dict[str, str]:
    """Return the environment of a worker: one visible GPU (or none for ``cpu``), and its number of threads."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if accelerator == "cpu":
        return {**environment, "CUDA_VISIBLE_DEVICES": ""}
    count = torch.cuda.device_count()
    if count:
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        devices = named.split(",")[:count] if named else [str(index) for index in range(count)]
        environment["CUDA_VISIBLE_DEVICES"] = devices[slot % count]
    return environment


def _start(planned: Planned, slot: int, accelerator: str, command: Sequence[str]) -> _Running:
    planned.folder.mkdir(parents=True, exist_ok=True)
    path = planned.folder / "experiment.log"
    with path.open("ab") as log:
        begins = log.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=device_environment(slot, accelerator, planned.job.threads),
        )
    try:  # the pipe stays open: its end tells the process that we are gone
        process.stdin.write(planned.job.to_json().encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        process.wait()  # it died before it could read: its status and log say why
    return _Running(planned, process, path, begins, slot)


def _outcome(entry: _Running) -> Outcome:
    try:
        entry.process.stdin.close()
    except BrokenPipeError:
        pass  # what was not read of the job: the process is over
    job, status = entry.planned.job, entry.process.returncode
    if status == 0:
        return Outcome(job, read_record(entry.planned.target))
    if status < 0:
        return Outcome(job, error=f"killed by signal {-status} (9 is often a lack of memory); log: {entry.log}")
    said = entry.log.read_bytes()[entry.begins :].decode(errors="replace").strip()
    if status == AGAIN:
        return Outcome(job, left=said.splitlines()[-1].removeprefix("left: "))
    place = f"\n{said}".rfind("\nerror: ")
    message = said[place + len("error: ") :] if place >= 0 else said.splitlines()[-1] if said else f"status {status}"
    return Outcome(job, error=f"{message}\n  log: {entry.log}")
