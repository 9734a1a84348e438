"""What a stretch knows about its machine: seconds, bytes, and so the tasks that are left."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from guided_attention.campaign import wording
from guided_attention.campaign.planning import Task, fit_epochs, in_order
from guided_attention.campaign.probing import Probe, SideBySide, measure, median_model, try_side_by_side
from guided_attention.campaign.processes import environment
from guided_attention.campaign.settings import open_campaign_data, variant
from guided_attention.campaign.state import Campaign, CellState, Memory, cell_states
from guided_attention.campaign.timing import cell_seconds, epoch_seconds, load_of
from guided_attention.cells import choose_fold
from guided_attention.launch import require_devices
from guided_attention.provenance import device_name
from guided_attention.same_data import name_by_data

__all__ = ["Survey"]

#: Share of the memory that trainings may take; the rest is for what no measurement sees.
_USABLE = 0.85
#: Most of the time that export may keep for itself.
_EXPORT_SHARE = 0.2
#: Share of the time after which nothing more is measured.
_MEASURE_SHARE = 0.25
_MOST_SIDE_BY_SIDE = 8


class Survey:
    """The data, the device and the timings of one stretch.

    Parameters
    ----------
    campaign : Campaign
    say : callable
        Gets the text.
    clock : callable
        Seconds that only grow.

    Raises
    ------
    SettingsError, DataError
        If device or data are not there.
    """

    def __init__(self, campaign: Campaign, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        require_devices(campaign.accelerator, 1)
        self.say, self.clock, self.begin, self.budget = say, clock, clock(), 60 * campaign.minutes
        self.device = "cuda" if campaign.accelerator != "cpu" and torch.cuda.is_available() else "cpu"
        standard = "bf16-mixed" if self.device == "cuda" else None
        base = variant(campaign.preset, None, campaign.precision or standard)
        self.fit, self.precision = base.fit, base.fit.precision
        reading = time.monotonic()
        source = open_campaign_data(campaign.data, campaign.sequence, campaign.phase).verified()
        self.reading = time.monotonic() - reading
        self.source, notice = name_by_data(source, campaign.runs, campaign.results)
        if notice:
            say(notice)
        # Processors know TF32 too, but a run there is to give what the same run gives without a campaign.
        tf32 = campaign.tf32 and self.device == "cuda"
        self.campaign = replace(campaign, tf32=tf32, dataset=self.source.name)
        slices = {subject: found.shape[0] for subject, found in self.source.fingerprints.items()}
        self.loads = {
            k: load_of(self.source, choose_fold(self.source, k), self.fit.batch_size, slices) for k in campaign.folds
        }
        where = Path(campaign.runs) / self.source.name / f"campaign-{base.name}.json"
        self.side = SideBySide()
        self.memory = Memory(where, {"device": device_name(self.device), "threads": campaign.threads})

    def states(self, epochs: int) -> list[CellState]:
        """Return how far every cell of the grid is."""
        jobs = [self.campaign.job(cell, epochs, self.precision) for cell in self.campaign.cells()]
        return cell_states(jobs, self.source.name)

    def measure(self, models: Sequence[str]) -> None:
        """Fill in what `Memory` does not know yet: timings of these networks, and trainings side by side."""
        memory, campaign = self.memory, self.campaign
        if not models:
            return
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
        with Probe(told, environment(campaign)) as probe:
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
        room = self.room() // timings[name].memory
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        most = min(_MOST_SIDE_BY_SIDE, cells, room, cores)
        if most < 2:
            return SideBySide()
        step = timings[name].step
        return try_side_by_side(probe, told, environment(self.campaign), name, step, most, self.campaign.threads)

    def tasks(self, states: Sequence[CellState]) -> list[Task]:
        """Return what is not finished and was measured, in order."""
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

    def fitting(self, budget: float) -> int:
        """Return the number of epochs with which the grid fits into ``budget`` seconds, and remember it."""

        def tasks_for(epochs: int) -> list[Task]:
            return self.tasks(self.states(epochs))

        room = self.room()
        self.memory.epochs = fit_epochs(tasks_for, self.side.number, room, budget, self.fit.epochs)
        self.memory.save()
        return self.memory.epochs

    def room(self) -> int:
        """Bytes for trainings; without end where nobody says how many are free."""
        return int(_USABLE * self.memory.free) if self.memory.free else sys.maxsize

    def learn(self, states: Sequence[CellState]) -> None:
        """From now on, count epochs as they were seen."""
        for model, timing in self.memory.timings.items():
            seen = [seconds for s in states if s.job.cell.model == model for seconds in wording.seconds_of(s.folder)]
            if seen:
                self.memory.timings[model] = replace(timing, epoch=median(seen))
        if self.memory.timings:
            self.memory.save()

    def export_seconds(self) -> float:
        """Return the time to keep for the export of the best networks."""
        if not self.campaign.weights_out:
            return 0.0
        load, start = self.loads[self.campaign.folds[0]], self.memory.start or 0.0
        known = [self.memory.timings[name] for name in self.campaign.models if name in self.memory.timings]
        seconds = sum(start + load.test[1] * timing.slice + 2 * load.test[0] for timing in known)
        return min(seconds, _EXPORT_SHARE * self.budget)
