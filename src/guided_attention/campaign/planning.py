"""Which cells run, in which order, and how many epochs fit into the time: arithmetic only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from guided_attention.cells import Cell
from guided_attention.errors import SettingsError

__all__ = ["Planned", "Task", "choose", "fit_epochs", "in_order", "simulate"]


@dataclass(frozen=True)
class Task:
    """One cell that is not finished.

    Parameters
    ----------
    cell : Cell
    seconds : float
        Until it is finished.
    memory : int
        Bytes.
    begun : bool
        Whether it has a checkpoint.
    least : float
        Seconds until it has done something that is kept: one more epoch.
    """

    cell: Cell
    seconds: float
    memory: int
    begun: bool = False
    least: float = 0.0


@dataclass(frozen=True)
class Planned:
    """When a task begins and ends, in seconds from the start; ``whole`` is False where the time ends before it does."""

    task: Task
    begins: float
    ends: float
    whole: bool


def in_order(tasks: Iterable[Task], folds: Sequence[int], seeds: Sequence[int]) -> list[Task]:
    """Sort: what was begun first; then fold by fold, so that networks can be compared early; the short ones first."""
    return sorted(
        tasks,
        key=lambda task: (not task.begun, seeds.index(task.cell.seed), folds.index(task.cell.fold), task.seconds),
    )


def choose(waiting: Sequence[Task], left: float, budget: float, memory: int) -> Task | None:
    """Pick what to start now.

    The first task that can finish in the time that is ``left``. If none can: the first that no budget of this length
    would finish in one go; it keeps its checkpoints, and the next stretch goes on with it.

    Parameters
    ----------
    waiting : sequence of Task
        In the order in which they are wanted.
    left, budget : float
        Seconds until the end, and of the whole stretch.
    memory : int
        Bytes that are free.
    """
    fitting = [task for task in waiting if task.memory <= memory]
    for task in fitting:
        if task.seconds <= left:
            return task
    for task in fitting:
        if task.seconds > budget and task.least <= left:
            return task
    return None


def simulate(tasks: Sequence[Task], slots: int, memory: int, budget: float) -> list[Planned]:
    """Play the stretch through, with the rule of `choose`.

    Parameters
    ----------
    tasks : sequence of Task
        In order.
    slots : int
        Trainings side by side.
    memory : int
        Bytes for all of them together.
    budget : float
        Seconds.

    Returns
    -------
    list of Planned
        Those that run, in the order in which they begin.
    """
    waiting, running, planned, now = list(tasks), [], [], 0.0
    while True:
        while len(running) < slots:
            free = memory - sum(task.memory for _, task in running)
            task = choose(waiting, budget - now, budget, free)
            if task is None:
                break
            waiting.remove(task)
            ends = now + task.seconds
            planned.append(Planned(task, now, min(ends, budget), ends <= budget))
            running.append((ends, task))
        if not running:
            return planned
        now = min(ends for ends, _ in running)
        running = [(ends, task) for ends, task in running if ends > now]
        if now >= budget:
            return planned


def fit_epochs(tasks_for: Callable[[int], Sequence[Task]], slots: int, memory: int, budget: float, most: int) -> int:
    """Return the largest number of epochs with which the whole grid fits into the budget.

    Parameters
    ----------
    tasks_for : callable
        Number of epochs -> all tasks in order.
    slots, memory, budget
        As for `simulate`.
    most : int
        The preset's number: more is never taken. Numbers above 10 are multiples of 5.

    Raises
    ------
    SettingsError
        If not even one epoch each fits.
    """
    for epochs in sorted({most, *range(1, min(most, 10) + 1), *range(15, most, 5)}, reverse=True):
        tasks = tasks_for(epochs)
        planned = simulate(tasks, slots, memory, budget)
        if len(planned) == len(tasks) and all(entry.whole for entry in planned):
            return epochs
    raise SettingsError(
        "epochs=fit: the whole grid does not fit into this time with even one epoch each. Give more minutes, fewer "
        "models or folds, or a number of epochs and several stretches."
    )
