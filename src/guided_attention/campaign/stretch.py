"""One stretch of a campaign, from measuring to the report."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from guided_attention.campaign import wording
from guided_attention.campaign.planning import Task, simulate
from guided_attention.campaign.pool import Ended, run_pool
from guided_attention.campaign.processes import export_best, start_process
from guided_attention.campaign.state import Campaign, CellState
from guided_attention.campaign.survey import Survey

__all__ = ["run_campaign"]


def run_campaign(
    campaign: Campaign,
    *,
    say: Callable[[str], None] = print,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[CellState]:
    """Measure, plan, train as many cells as fit, export the best networks, and report.

    Parameters
    ----------
    campaign : Campaign
    say : callable
        Gets the text, piece by piece.
    clock, sleep : callable
        Seconds that only grow; waits.

    Returns
    -------
    list of CellState
        The whole grid, as it is at the end.

    Raises
    ------
    SettingsError, DataError
        If the campaign cannot be begun.
    """
    survey = Survey(campaign, say, clock)
    campaign, dataset = survey.campaign, survey.source.name
    say(wording.heading(campaign, dataset, survey.memory.key["device"], survey.precision))
    epochs = survey.memory.epochs if campaign.epochs == "fit" else campaign.epochs or survey.fit.epochs
    wanted = [s.job.cell.model for s in survey.states(epochs) if not s.finished] if epochs else campaign.models
    survey.measure(list(dict.fromkeys(wanted)))
    reserve = survey.export_seconds()
    end = survey.begin + survey.budget
    left = max(0.0, end - clock() - reserve)
    if epochs is None:
        epochs = survey.fitting(left)
    states = survey.states(epochs)
    tasks, slots = survey.tasks(states), survey.side.number
    say(wording.plan(simulate(tasks, slots, survey.room(), left), states, slots, left, epochs))
    logs = {state.job.cell: state.folder / "campaign.log" for state in states}

    def start(task: Task) -> subprocess.Popen:
        job = campaign.job(task.cell, epochs, survey.precision, slots)
        return start_process({"do": "train", "job": asdict(job)}, logs[task.cell], campaign)

    def ended(one: Ended) -> None:
        written = next(state.finished for state in survey.states(epochs) if state.job.cell == one.task.cell)
        if one.status is None and written:  # it was stopped after its last word
            one = replace(one, status=0)
        say(wording.ended(one, clock() - survey.begin, logs[one.task.cell]))

    run_pool(
        tasks,
        start,
        slots=slots,
        memory=survey.room(),
        end=end - reserve,
        budget=left,
        on_end=ended,
        clock=clock,
        sleep=sleep,
    )
    states = survey.states(epochs)
    survey.learn(states)
    if campaign.weights_out:
        export_best(campaign, states, dataset, survey.device, end, say, clock)
    rest = simulate(survey.tasks(states), slots, survey.room(), float("inf"))
    say(wording.report(states, epochs, clock() - survey.begin, rest))
    return states
