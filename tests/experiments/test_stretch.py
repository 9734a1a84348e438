"""What begins in a stretch of time, and how long a trial is thought to take."""

import shutil
from pathlib import Path

import pytest

from guided_attention.experiments.job import Stretch
from guided_attention.experiments.plan import Planned
from guided_attention.experiments.stretch import Need, choose, need, why_not
from small_grid import tiny_job

RESULTS = Path(__file__).parents[2] / "results" / "phantom-t1dual-in"
#: A hundred seconds, from the 1000th on.
STRETCH = Stretch(1000.0, 1100.0)


@pytest.mark.parametrize(
    ("epoch", "whole", "now", "begins"),
    [
        (10, 99, 1000, True),
        (10, 99, 1002, False),  # the next stretch can finish it in one go
        (10, 101, 1000, True),  # no stretch can: it begins,
        (10, 101, 1089, True),
        (10, 101, 1091, False),  # unless not even an epoch would end in time
        (101, 500, 1091, True),  # an epoch that no stretch can hold: one for each call
        (1, 1, 1100, False),
        (101, 500, 1100, False),
    ],
)
def test_a_trial_begins_if_it_can_finish_or_if_waiting_would_not_help(epoch, whole, now, begins):
    reason = why_not(Need(epoch, whole), STRETCH, now)
    assert (not reason) is begins
    if reason:
        assert reason == f"needs about {whole / 60:.1f} minutes, and {(1100 - now) / 60:.1f} minutes were left"


def test_what_nobody_knows_begins_while_there_is_time():
    assert why_not(None, STRETCH, 1099) == ""
    assert why_not(None, STRETCH, 1100) == "0.0 minutes were left"


def waiting(home, seed, *seconds, done=0, model="pam", epochs=4):
    """A trial beside which runs have told of epochs of so many seconds."""
    job = tiny_job(home / "data", home, model, seed=seed, epochs=epochs)
    folder = job.folder("d")
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("".join(f"{row}\n" for row in ("epoch,seconds", *enumerate_rows(seconds))))
    if done:
        (folder / "checkpoints" / f"epoch-{done:04d}").mkdir(parents=True)
    return Planned(job, folder, home / "results" / "d" / model / f"fold0-seed{seed}.json", "to do")


def enumerate_rows(seconds):
    return [f"{epoch},{value}" for epoch, value in enumerate(seconds, start=1)]


class TestNeed:
    def test_is_the_median_epoch_times_what_is_left_and_an_evaluation(self, tmp_path):
        first, second = waiting(tmp_path, 0, 5.0, 3.0, 100.0, done=3), waiting(tmp_path, 1)
        assert need(first.job, first.folder) == Need(5.0, 1 * 5.0 + 5.0)  # nobody evaluated yet: as long as an epoch
        assert need(second.job, second.folder) == Need(5.0, 4 * 5.0 + 5.0)

    def test_another_network_or_preset_teaches_nothing(self, tmp_path):
        waiting(tmp_path, 0, 5.0)
        for other in (waiting(tmp_path, 0, model="cam"), waiting(tmp_path, 0, epochs=3)):
            assert need(other.job, other.folder) is None

    def test_records_teach_as_much_as_runs(self, tmp_path):
        """Of a recorded run, worked out by hand from its file; what is no record is passed over."""
        entry = waiting(tmp_path, 1, epochs=None)
        entry.target.parent.mkdir(parents=True)
        (entry.target.parent / "fold1-seed0.json").write_text("{")
        assert need(entry.job, entry.folder, entry.target.parent) is None
        shutil.copy(RESULTS / "pam" / "fold0-seed0.json", entry.target.parent)
        import json

        record = json.loads((RESULTS / "pam" / "fold0-seed0.json").read_text())
        seconds = sorted(row["seconds"] for row in record["curve"])
        middle = (seconds[4] + seconds[5]) / 2
        assert len(seconds) == 10
        found = need(entry.job, entry.folder, entry.target.parent)
        assert found.epoch == pytest.approx(middle)
        assert found.whole == pytest.approx(10 * middle + record["cost"]["evaluation_seconds"])


class TestChoose:
    def test_first_what_can_finish_then_what_no_stretch_can(self, tmp_path):
        long, fits = waiting(tmp_path, 0, 30.0, model="cam"), waiting(tmp_path, 0, 15.0)
        assert need(long.job, long.folder).whole == 150 > STRETCH.seconds > need(fits.job, fits.folder).whole
        assert choose([long, fits], STRETCH, 1000) is fits
        assert choose([long], STRETCH, 1000) is long
        assert choose([long, fits], STRETCH, 1050) is long  # the other one fits into the next stretch
        assert choose([long, fits], STRETCH, 1080) is None
        assert choose([], STRETCH, 1000) is None
