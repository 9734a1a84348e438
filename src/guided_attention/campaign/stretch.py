"""One stretch of a campaign, from measuring to the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median

import torch

from guided_attention.campaign import wording
from guided_attention.campaign.carry import carried_commit, carried_packages
from guided_attention.campaign.export import best_run
from guided_attention.campaign.planning import Task, fit_epochs, in_order, simulate
from guided_attention.campaign.pool import Ended, run_pool
from guided_attention.campaign.probing import Probe, SideBySide, measure, median_model, try_side_by_side
from guided_attention.campaign.settings import open_campaign_data, variant
from guided_attention.campaign.state import Campaign, CellState, Memory, cell_states
from guided_attention.campaign.timing import Load, cell_seconds, epoch_seconds, load_of
from guided_attention.cells import choose_fold
from guided_attention.launch import require_devices
from guided_attention.provenance import device_name

__all__ = ["Stretch", "run_campaign"]

#: Share of the memory that trainings may take; the rest is for what no measurement sees.
_USABLE = 0.85
#: Most of the time that export may keep for itself.
_EXPORT_SHARE = 0.2
_MOST_SIDE_BY_SIDE = 8
#: Share of the time after which nothing more is measured.
_MEASURE_SHARE = 0.25


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
    return Stretch(campaign, say, clock, sleep).run()


class Stretch:
    """The moving parts of `run_campaign`."""

    def __init__(self, campaign: Campaign, say, clock, sleep) -> None:
        require_devices(campaign.accelerator, 1)
        self.begin, self.budget = clock(), 60 * campaign.minutes
        self.device = "cuda" if campaign.accelerator != "cpu" and torch.cuda.is_available() else "cpu"
        # Processors know TF32 too, but a run there is to give what the same run gives without a campaign.
        campaign = replace(campaign, tf32=campaign.tf32 and self.device == "cuda")
        self.campaign, self.say, self.clock, self.sleep = campaign, say, clock, sleep
        standard = "bf16-mixed" if self.device == "cuda" else None
        base = variant(campaign.preset, None, campaign.precision or standard)
        self.fit, self.precision = base.fit, base.fit.precision
        reading = time.monotonic()
        self.source = open_campaign_data(campaign.data, campaign.sequence, campaign.phase)
        slices = {subject: self.source.read(subject).shape[0] for subject in self.source.subjects}
        self.reading = time.monotonic() - reading
        self.loads: dict[int, Load] = {
            k: load_of(self.source, choose_fold(self.source, k), self.fit.batch_size, slices) for k in campaign.folds
        }
        self.environment = self._environment()
        where = Path(campaign.runs) / self.source.name / f"campaign-{base.name}.json"
        self.side = SideBySide()
        self.memory = Memory(where, {"device": device_name(self.device), "threads": campaign.threads})

    def run(self) -> list[CellState]:
        """Do everything in turn."""
        campaign = self.campaign
        self.say(wording.heading(campaign, self.source.name, self.memory.key["device"], self.precision))
        asked = self.memory.epochs if campaign.epochs == "fit" else campaign.epochs or self.fit.epochs
        open_models = [s.job.cell.model for s in self._states(asked) if not s.finished] if asked else campaign.models
        if open_models:
            self._measure(list(dict.fromkeys(open_models)))
        reserve = self._export_seconds()
        time_to_train = max(0.0, self.budget - (self.clock() - self.begin) - reserve)
        if asked is None:
            asked = self._fitting(time_to_train)
        states = self._states(asked)
        tasks = self._tasks(states)
        slots, room = self.side.number if open_models else 1, self._room()
        planned = simulate(tasks, slots, room, time_to_train)
        self.say(wording.plan(planned, tasks, states, slots, time_to_train, asked))
        logs = {}

        def start(task: Task) -> subprocess.Popen:
            job = campaign.job(task.cell, asked, self.precision, slots)
            logs[task.cell] = job.folder(self.source.name) / "campaign.log"
            return self._process({"do": "train", "job": asdict(job)}, logs[task.cell])

        def ended(end: Ended) -> None:
            self.say(wording.ended(end, self.clock() - self.begin, logs[end.task.cell]))

        end = self.begin + self.budget
        run_pool(
            tasks,
            start,
            slots=slots,
            memory=room,
            end=end - reserve,
            budget=time_to_train,
            on_end=ended,
            clock=self.clock,
            sleep=self.sleep,
        )
        states = self._states(asked)
        self._learn(states)
        if campaign.weights_out:
            self._export(states, end, slots)
        rest = self._tasks(states)
        needed = simulate(rest, slots, room, float("inf")) if rest else []
        self.say(wording.report(states, asked, self.clock() - self.begin, needed))
        return states

    def _states(self, epochs: int) -> list[CellState]:
        jobs = [self.campaign.job(cell, epochs, self.precision) for cell in self.campaign.cells()]
        return cell_states(jobs, self.source.name)

    def _measure(self, models: Sequence[str]) -> None:
        """Fill in what `Memory` does not know yet: timings of these networks, and trainings side by side."""
        memory, campaign = self.memory, self.campaign
        missing = [name for name in models if name not in memory.timings]
        wanted = campaign.side_by_side
        if not missing and (wanted or memory.side_by_side):
            self.side = SideBySide(wanted, float(wanted)) if wanted else memory.side_by_side
            return
        told = {
            "preset": campaign.preset,
            "precision": self.precision,
            "device": self.device,
            "threads": campaign.threads,
            "tf32": campaign.tf32,
            "deterministic": campaign.deterministic,
        }
        with Probe(told, self.environment) as probe:
            # A training also imports Lightning, reads the data twice (check, use) and prepares them.
            memory.start, memory.free = 2 * probe.start + 3 * self.reading, probe.hello["free"]
            for name in missing:
                if self._measured_enough():
                    self.say(wording.not_measured(name))
                    continue
                timing = measure(probe, name)
                self.say(wording.measured(name, timing))
                if timing is not None:
                    memory.timings[name] = timing
            if wanted:
                self.side = SideBySide(wanted, float(wanted))
            elif not self._measured_enough():
                self.side = memory.side_by_side = self._try(probe, told, models)
                self.say(wording.side_by_side(self.side))
        memory.save()

    def _measured_enough(self) -> bool:
        return self.clock() - self.begin > _MEASURE_SHARE * self.budget

    def _try(self, probe: Probe, told: dict, models: Sequence[str]) -> SideBySide:
        timings = self.memory.timings
        if not timings:
            return SideBySide()
        name = median_model(timings, models)
        cells = sum(cell.model in models for cell in self.campaign.cells())
        room = self._room() // timings[name].memory
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        most = min(_MOST_SIDE_BY_SIDE, cells, room, cores)
        if most < 2:
            return SideBySide()
        step = timings[name].step
        return try_side_by_side(probe, told, self.environment, name, step, most, self.campaign.threads)

    def _tasks(self, states: Sequence[CellState]) -> list[Task]:
        tasks = []
        for state in states:
            cell, timing = state.job.cell, self.memory.timings.get(state.job.cell.model)
            if state.finished or timing is None:
                continue
            load, start, slowdown = self.loads[cell.fold], self.memory.start or 0.0, self.side.slowdown
            left = state.job.epochs - state.epochs
            seconds = cell_seconds(timing, load, left, start, slowdown)
            least = start + slowdown * epoch_seconds(timing, load)
            tasks.append(Task(cell, seconds, timing.memory, state.epochs > 0, least))
        return in_order(tasks, self.campaign.folds, self.campaign.seeds)

    def _fitting(self, budget: float) -> int:
        def tasks_for(epochs: int) -> list[Task]:
            return self._tasks(self._states(epochs))

        room = self._room()
        self.memory.epochs = fit_epochs(tasks_for, self.side.number, room, budget, self.fit.epochs)
        self.memory.save()
        return self.memory.epochs

    def _room(self) -> int:
        """Bytes for trainings; without end where nobody says how many are free."""
        return int(_USABLE * self.memory.free) if self.memory.free else sys.maxsize

    def _learn(self, states: Sequence[CellState]) -> None:
        """From now on, count epochs as they were seen."""
        for model, timing in self.memory.timings.items():
            seen = [seconds for s in states if s.job.cell.model == model for seconds in wording.seconds_of(s.folder)]
            if seen:
                self.memory.timings[model] = replace(timing, epoch=median(seen))
        if self.memory.timings:
            self.memory.save()

    def _export_seconds(self) -> float:
        if not self.campaign.weights_out:
            return 0.0
        load, start = self.loads[self.campaign.folds[0]], self.memory.start or 0.0
        known = [self.memory.timings[name] for name in self.campaign.models if name in self.memory.timings]
        seconds = sum(start + load.test[1] * timing.slice + 2 * load.test[0] for timing in known)
        return min(seconds, _EXPORT_SHARE * self.budget)

    def _export(self, states: Sequence[CellState], end: float, slots: int) -> None:
        for model in self.campaign.models:
            best = best_run([s.folder for s in states if s.finished and s.job.cell.model == model])
            if best is None or wording.exported(self.campaign.weights_out, self.source.name, model, best):
                continue
            if self.clock() >= end:
                self.say(wording.not_exported(model))
                continue
            asked = {
                "do": "export",
                "folder": str(best),
                "data": self.campaign.data,
                "sequence": self.campaign.sequence,
                "phase": self.campaign.phase,
                "out": self.campaign.weights_out,
                "device": self.device,
                "threads": self.campaign.threads,
            }
            process = self._process(asked, best / "export.log")
            try:
                status = process.wait(max(1.0, end - self.clock()))
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            self.say(wording.export_line(status, self.campaign.weights_out, self.source.name, model, best))

    def _process(self, asked: dict, log: Path) -> subprocess.Popen:
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "guided_attention.campaign.work", json.dumps(asked)]
        with log.open("a", encoding="utf-8") as file:
            return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=self.environment)

    def _environment(self) -> dict[str, str]:
        """Of the processes: this package on the path, carried packages behind it, threads, the commit of a copy."""
        package = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH", "")) if p)
        threads = str(max(1, self.campaign.threads))
        commit = carried_commit(self.campaign.data)
        return {
            **os.environ,
            "PYTHONPATH": path,
            "OMP_NUM_THREADS": threads,
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "GUIDED_ATTENTION_CARRIED": os.pathsep.join(carried_packages(self.campaign.data)),
            **({"GUIDED_ATTENTION_COMMIT": commit} if commit else {}),
        }
