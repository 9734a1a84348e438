"""Processes side by side until the time is over."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from guided_attention.campaign.planning import Task, choose

__all__ = ["Ended", "Process", "run_pool"]

#: Seconds that a process gets to die after it was asked to.
_GRACE = 5.0


class Process(Protocol):
    """What the pool needs of `subprocess.Popen`."""

    stdin: IO[bytes] | None

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; `subprocess.TimeoutExpired` after ``timeout`` seconds."""


@dataclass(frozen=True)
class Ended:
    """How a task ended: exit status (None if it was cut off by the end of the time), and when it began and ended."""

    task: Task
    status: int | None
    begins: float
    ends: float


def run_pool(
    tasks: Sequence[Task],
    start: Callable[[Task], Process],
    *,
    slots: int,
    memory: int,
    end: float,
    budget: float,
    on_end: Callable[[Ended], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Ended]:
    """Run tasks, at most ``slots`` at a time and never more than ``memory`` allows, until the clock says ``end``.

    What still runs then is stopped: a training has its last checkpoint on disk and goes on from there another time.

    Parameters
    ----------
    tasks : sequence of Task
        In order; `choose` decides which of them can still be started.
    start : callable
        Starts the process of a task.
    slots, memory : int
        Processes at a time, bytes for all of them.
    end, budget : float
        When the clock has reached the end; seconds of the whole stretch.
    on_end : callable
        Told about every task that ends.
    clock, sleep : callable
        Seconds that only grow; waits.

    Returns
    -------
    list of Ended
        Of all that were started.
    """
    waiting, running, ended = list(tasks), {}, []

    def close(task: Task, status: int | None) -> None:
        process, begins = running.pop(task)
        if process.stdin is not None:
            process.stdin.close()
        ended.append(Ended(task, status, begins, clock()))
        on_end(ended[-1])

    try:
        while clock() < end:
            for task, (process, _) in list(running.items()):
                if process.poll() is not None:
                    close(task, process.poll())
            while len(running) < slots:
                free = memory - sum(task.memory for task in running)
                task = choose(waiting, end - clock(), budget, free)
                if task is None:
                    break
                waiting.remove(task)
                running[task] = (start(task), clock())
            if not running:
                break
            sleep(0.1)
    finally:  # also after Ctrl-C: no process outlives the campaign
        for process, _ in running.values():
            process.terminate()
        for task, (process, _) in list(running.items()):
            try:
                status = process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            close(task, 0 if status == 0 else None)
    return ended
