"""The arithmetic of a campaign, and that its pool keeps to the time: no training here."""

import subprocess
from dataclasses import replace

import pytest

from guided_attention.campaign.planning import Task, choose, fit_epochs, in_order, simulate
from guided_attention.campaign.pool import run_pool
from guided_attention.campaign.probing import SideBySide, best_number, median_model
from guided_attention.campaign.settings import Job, variant
from guided_attention.campaign.state import Campaign, Memory, cell_states
from guided_attention.campaign.timing import Load, Timing, cell_seconds, epoch_seconds, load_of
from guided_attention.cells import Cell
from guided_attention.data import Fold
from guided_attention.errors import SettingsError
from guided_attention.presets import PRESETS

GIB = 2**30
TIMING = Timing(step=0.1, slice=0.01, memory=4 * GIB, parameters=50_000_000)
LOAD = Load(steps=52, validation=(2, 70), test=(5, 180))


def task(name, seconds, memory=1, fold=0, begun=False, least=1.0):
    return Task(Cell(name, fold), seconds, memory, begun, least)


class TestTiming:
    def test_an_epoch(self):
        """5.2 s of steps, 0.7 s of slices, 2 subjects at 0.15 s, 600 MB of checkpoint at 500 MB/s."""
        assert epoch_seconds(TIMING, LOAD) == pytest.approx(5.2 + 0.7 + 0.3 + 1.2)

    def test_an_epoch_that_was_seen_counts_instead(self):
        assert epoch_seconds(replace(TIMING, epoch=3.0), LOAD) == 3.0

    def test_a_cell(self):
        """Start 8 s, 10 epochs of 7.4 s, the test: 1.8 s of slices, 5 subjects at 2 s."""
        assert cell_seconds(TIMING, LOAD, 10, 8.0) == pytest.approx(8 + 74 + 1.8 + 10)
        assert cell_seconds(TIMING, LOAD, 10, 8.0, slowdown=2.0) == pytest.approx(8 + 148 + 3.6 + 10)

    def test_a_seen_epoch_is_not_slowed_down_twice(self):
        assert cell_seconds(replace(TIMING, epoch=3.0), LOAD, 10, 0.0, 2.0) == pytest.approx(30 + 3.6 + 10)

    def test_the_load_of_a_fold(self):
        """13 slices in batches of 4 are three steps: the incomplete batch is left out."""
        fold = Fold(0, ("a", "b"), ("c",), ("d", "e"), 0)
        slices = {"a": 6, "b": 7, "c": 5, "d": 4, "e": 3}
        assert load_of(None, fold, 4, slices) == Load(3, (1, 5), (2, 7))


class TestPlan:
    def test_order_begun_then_folds_then_short_ones(self):
        tasks = [
            task("a", 9, fold=1),
            task("b", 5),
            task("c", 7, fold=1, begun=True),
            task("d", 3),
            task("e", 1, fold=1),
        ]
        assert [t.cell.model for t in in_order(tasks, (0, 1), (0,))] == ["c", "d", "b", "e", "a"]

    def test_what_cannot_finish_is_not_started(self):
        tasks = [task("long", 80), task("short", 20)]
        assert choose(tasks, 100, 100, 9).cell.model == "long"
        assert choose(tasks, 50, 100, 9).cell.model == "short"
        assert choose(tasks, 10, 100, 9) is None

    def test_what_does_not_fit_into_memory_waits(self):
        tasks = [task("large", 10, memory=8), task("small", 10, memory=2)]
        assert choose(tasks, 50, 50, 5).cell.model == "small"
        assert choose(tasks, 50, 50, 1) is None

    def test_what_no_stretch_could_finish_is_begun_when_nothing_else_fits(self):
        tasks = [task("huge", 500, least=30), task("short", 20)]
        assert choose(tasks, 100, 100, 9).cell.model == "short"
        assert choose(tasks[:1], 100, 100, 9).cell.model == "huge"
        assert choose(tasks[:1], 25, 100, 9) is None  # not even an epoch would be kept

    def test_two_at_a_time_by_hand(self):
        """Budget 100: a 0-40 and b 0-60, c 40-90 after a; d needs 50 and only 40 are left; e 60-95 after b."""
        tasks = [task("a", 40), task("b", 60), task("c", 50), task("d", 50), task("e", 35)]
        planned = simulate(tasks, 2, 10, 100)
        assert [(p.task.cell.model, p.begins, p.ends, p.whole) for p in planned] == [
            ("a", 0, 40, True),
            ("b", 0, 60, True),
            ("c", 40, 90, True),
            ("e", 60, 95, True),
        ]

    def test_memory_bounds_what_runs_at_a_time(self):
        """Three slots, but 5 units of memory: the two of 3 follow each other, the one of 2 runs beside the first."""
        tasks = [task("a", 10, 3), task("b", 10, 3), task("c", 10, 2)]
        planned = simulate(tasks, 3, 5, 100)
        assert [(p.task.cell.model, p.begins) for p in planned] == [("a", 0), ("c", 0), ("b", 10)]

    def test_a_cell_longer_than_the_stretch_is_planned_to_its_end(self):
        (planned,) = simulate([task("a", 250)], 2, 10, 100)
        assert (planned.begins, planned.ends, planned.whole) == (0, 100, False)

    def test_epochs_that_fit(self):
        """Two cells one after the other, 5 s + 2 s per epoch each: (100 / 2 - 5) / 2 = 22.5, so 20."""

        def tasks_for(epochs):
            return [task("a", 5 + 2 * epochs), task("b", 5 + 2 * epochs)]

        assert fit_epochs(tasks_for, 1, 10, 100, most=250) == 20
        assert fit_epochs(tasks_for, 2, 10, 100, most=250) == 45
        assert fit_epochs(tasks_for, 1, 10, 100, most=12) == 12
        assert fit_epochs(tasks_for, 1, 10, 30, most=12) == 5
        with pytest.raises(SettingsError, match="even one epoch each"):
            fit_epochs(tasks_for, 1, 10, 13, most=12)


class TestSideBySide:
    def test_takes_the_number_that_is_worth_it(self):
        """Two give 1.6 of one; four only 1.09 of two, under a tenth more."""
        found = best_number({1: 10.0, 2: 16.0, 4: 17.4})
        assert found == SideBySide(2, 1.25, {1: 10.0, 2: 16.0, 4: 17.4})  # each of two: 8 instead of 10

    def test_takes_one_where_it_does_not_pay(self):
        assert best_number({1: 10.0, 2: 10.5}).number == 1

    def test_goes_on_past_a_plateau(self):
        assert best_number({1: 10.0, 2: 10.5, 4: 14.0}).number == 4

    def test_tries_a_network_from_the_middle(self):
        timings = {name: replace(TIMING, step=step) for name, step in (("a", 3.0), ("b", 1.0), ("c", 2.0))}
        assert median_model(timings, ("a", "b", "c", "unknown")) == "c"


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Sham:
    """A process of so many seconds; ``stubborn`` does not die when asked."""

    stdin = None

    def __init__(self, clock, seconds, status=0, stubborn=False):
        self.clock, self.ends, self.status, self.stubborn, self.killed = (
            clock,
            clock() + seconds,
            status,
            stubborn,
            False,
        )

    def poll(self):
        return self.status if self.clock() >= self.ends else None

    def terminate(self):
        if not self.stubborn and self.poll() is None:
            self.ends, self.status = self.clock(), -15

    def kill(self):
        self.ends, self.status, self.killed = self.clock(), -9, True

    def wait(self, timeout=None):
        if self.poll() is None:
            raise subprocess.TimeoutExpired("sham", timeout)
        return self.status


class TestPool:
    def run(self, lengths, planned=None, slots=2, memory=10, budget=100.0, **sham):
        clock, started, running = Clock(), [], []
        tasks = [task(name, (planned or lengths)[name]) for name in lengths]

        def start(chosen):
            name = chosen.cell.model
            started.append((name, clock.now - 1000))
            process = Sham(clock, lengths[name], **sham)
            running.append(process)
            assert sum(p.poll() is None for p in running) <= slots
            return process

        ended = run_pool(
            tasks, start, slots=slots, memory=memory, end=1000 + budget, budget=budget, clock=clock, sleep=clock.sleep
        )
        return started, {e.task.cell.model: e.status for e in ended}, clock.now - 1000, running

    def test_fills_a_slot_as_soon_as_it_is_free(self):
        started, status, now, _ = self.run({"a": 40, "b": 60, "c": 30})
        assert [(name, pytest.approx(when, abs=0.3)) for name, when in started] == [("a", 0), ("b", 0), ("c", 40)]
        assert status == {"a": 0, "b": 0, "c": 0}
        assert now == pytest.approx(70, abs=0.5)

    def test_keeps_to_the_time_when_estimates_are_too_short(self):
        """Both were planned for 50 s and need 500: they are cut off at the end, and nothing runs on."""
        started, status, now, running = self.run({"a": 500, "b": 500, "c": 20}, {"a": 50, "b": 50, "c": 20})
        assert now == pytest.approx(100, abs=0.2)
        assert status == {"a": None, "b": None}
        assert len(started) == 2
        assert all(process.poll() is not None for process in running)

    def test_kills_what_does_not_end(self):
        _, status, _, running = self.run({"a": 500}, {"a": 50}, stubborn=True)
        assert status == {"a": None}
        assert running[0].killed

    def test_does_not_wait_for_the_end_when_nothing_fits(self):
        started, _, now, _ = self.run({"a": 90, "b": 95}, slots=1)
        assert [name for name, _ in started] == ["a"]
        assert now == pytest.approx(90, abs=0.5)

    def test_a_failure_is_told_and_frees_its_slot(self):
        started, status, _, _ = self.run({"a": 10, "b": 10}, slots=1, status=2)
        assert status == {"a": 2, "b": 2}
        assert len(started) == 2

    def test_an_interruption_leaves_no_process(self):
        clock, running = Clock(), []

        def interrupted(_):
            raise KeyboardInterrupt

        def start(_):
            running.append(Sham(clock, 50))
            return running[-1]

        with pytest.raises(KeyboardInterrupt):
            run_pool([task("a", 50)], start, slots=1, memory=9, end=1100, budget=100, clock=clock, sleep=interrupted)
        assert running[0].poll() is not None


class TestStates:
    def jobs(self, tmp_path, **changes):
        campaign = Campaign(
            1, preset="quick", models=("unet", "danet"), folds=(0,), runs=str(tmp_path / "runs"), results=str(tmp_path)
        )
        return [replace(campaign, **changes).job(cell, 10, "32-true") for cell in campaign.cells()]

    def test_finished_begun_and_open(self, tmp_path):
        jobs = self.jobs(tmp_path)
        (tmp_path / "set" / "unet").mkdir(parents=True)
        (tmp_path / "set" / "unet" / "fold0-seed0.json").write_text('{"preset": "quick"}')
        for epoch in (3, 4):
            (tmp_path / f"runs/set/danet/quick-fold0-seed0/checkpoints/epoch-000{epoch}").mkdir(parents=True)
        assert [(s.finished, s.epochs) for s in cell_states(jobs, "set")] == [(True, 0), (False, 4)]

    def test_a_record_of_another_preset_stands(self, tmp_path):
        (tmp_path / "set" / "unet").mkdir(parents=True)
        (tmp_path / "set" / "unet" / "fold0-seed0.json").write_text('{"preset": "paper"}')
        with pytest.raises(SettingsError, match="record of preset 'paper'; one of 'quick' must not replace it"):
            cell_states(self.jobs(tmp_path), "set")

    def test_threads_are_shared(self, tmp_path):
        campaign = Campaign(1, models=("unet",), threads=4)
        assert [campaign.job(Cell("unet"), 1, "32-true", k).threads for k in (1, 2, 3, 8)] == [4, 2, 1, 1]

    def test_a_job_survives_its_journey(self, tmp_path):
        job = self.jobs(tmp_path)[0]
        assert Job.from_json(job.to_json()) == job

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"models": ("unet", "vnet")}, "models=vnet: choose some of"),
            ({"minutes": 0}, "minutes=0 must be greater"),
            ({"side_by_side": 0}, "side_by_side=0 must be 1 or more"),
            ({"folds": ()}, "folds and seeds"),
        ],
    )
    def test_impossible_campaigns(self, change, message):
        with pytest.raises(SettingsError, match=message):
            Campaign(**{"minutes": 1, **change})


def test_a_variant_says_in_its_name_what_differs():
    assert variant("quick") == PRESETS["quick"]
    assert variant("quick", 10, "32-true").name == "quick"
    assert variant("paper", 60).name == "paper-epochs60"
    changed = variant("paper", 60, "bf16-mixed")
    assert changed.name == "paper-epochs60-bf16"
    assert (changed.fit.epochs, changed.fit.precision) == (60, "bf16-mixed")


def test_memory_is_kept_for_the_same_device_only(tmp_path):
    key = {"device": "GPU", "threads": 4}
    memory = Memory(tmp_path / "campaign.json", key)
    memory.timings, memory.side_by_side = {"unet": TIMING}, SideBySide(2, 1.25, {1: 10.0, 2: 16.0})
    memory.epochs, memory.start, memory.free = 40, 3.5, 70 * GIB
    memory.save()
    same = Memory(memory.path, key)
    assert (same.timings, same.side_by_side) == (memory.timings, memory.side_by_side)
    assert (same.epochs, same.start, same.free) == (40, 3.5, 70 * GIB)
    other = Memory(memory.path, {**key, "device": "another"})
    assert other.epochs == 40  # the grid has one number of epochs, wherever its stretches run
    assert not other.timings
    assert other.side_by_side is other.start is None
