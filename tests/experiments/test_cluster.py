"""A real Ray cluster on this machine: a worker that is killed loses nothing, a trial that fails stops nobody."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace

import pytest

from guided_attention.errors import MissingExtraError, SettingsError
from guided_attention.experiments.cluster import require_ray, run_on_ray
from guided_attention.experiments.label_volumes import masks_path, read_masks
from guided_attention.experiments.plan import plan
from guided_attention.experiments.record import read_record
from guided_attention.training.checkpoints import latest_checkpoint
from small_grid import tiny_job, write_tiny_set

EPOCHS = 12


@pytest.fixture
def cluster(monkeypatch):
    """Two processors; nothing leaves this machine or is left in the home folder; sockets need a short path."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    import ray

    folder = tempfile.mkdtemp(prefix="ga-", dir="/tmp")
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=0,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=80 * 2**20,
        _temp_dir=folder,
    )
    yield ray
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def process_of(job):
    """Process that works on a trial: Ray names it after the task."""
    lines = subprocess.run(["ps", "-axo", "pid=,args="], capture_output=True, text=True, check=True).stdout.splitlines()
    found = [int(line.split()[0]) for line in lines if f"ray::trial {job}" in line]
    return found[0] if found else None


def epochs_done(folder):
    last = latest_checkpoint(folder / "checkpoints")
    return int(last.name.split("-")[1]) if last else 0


def test_a_killed_worker_loses_nothing_and_a_failure_stops_nobody(cluster, tmp_path):
    data = write_tiny_set(tmp_path / "data")
    unique = os.getpid()  # of all processes on this machine, ours
    killed = tiny_job(data, tmp_path, "unet", seed=unique, epochs=EPOCHS)
    other = tiny_job(data, tmp_path, "unet", seed=unique + 1, epochs=1)
    missing = str(tmp_path / "missing.pth")
    broken = replace(tiny_job(data, tmp_path, "cam", seed=unique + 2, epochs=1), weights=missing)
    planned = plan([killed, other, broken], killed.source(), tmp_path / "results")
    folder, pids, at_kill = planned[0].folder, [], []

    def kill_half_way():
        end = time.monotonic() + 120
        while epochs_done(folder) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        pids.append(process_of(killed))
        os.kill(pids[0], signal.SIGKILL)
        at_kill.append(epochs_done(folder))
        while not (folder / "record.json").exists() and time.monotonic() < end:
            pid = process_of(killed)
            if pid not in (None, *pids):
                pids.append(pid)
            time.sleep(0.05)

    hunter = threading.Thread(target=kill_half_way)
    hunter.start()
    told = []
    ended = run_on_ray(planned, "auto", "cpu", retries=2, on_end=told.append)
    hunter.join()

    assert len(pids) == 2, "the trial was run by another process after the kill"
    assert 2 <= at_kill[0] < EPOCHS, "the kill came half-way"
    assert told == ended
    outcomes = {outcome.job: outcome for outcome in ended}
    assert missing in outcomes[broken].error
    for entry in planned[:2]:
        record = read_record(entry.target)
        assert entry.target.read_bytes() == (entry.folder / "record.json").read_bytes()
        assert outcomes[entry.job].record.created == record.created
        assert [row["epoch"] for row in record.curve] == list(range(1, entry.job.settings.fit.epochs + 1))
        assert set(read_masks(masks_path(entry.target))) == set(record.split.test)
    assert not planned[2].target.exists()

    too_large = tiny_job(data, tmp_path, "cam", seed=unique + 3)
    with pytest.raises(SettingsError, match="1 processors and 1 GPUs"):
        run_on_ray(plan([too_large], too_large.source(), tmp_path / "results"), "auto", "cuda")


def test_without_ray_it_says_how_to_install_it(monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "ray", None)
        with pytest.raises(MissingExtraError, match=r'pip install "guided-attention\[cluster\]"'):
            require_ray()
    require_ray()


def test_no_cluster_at_this_address(tmp_path):
    job = tiny_job(write_tiny_set(tmp_path / "data"), tmp_path)
    with pytest.raises(SettingsError, match="no cluster there"):
        run_on_ray(plan([job], job.source(), tmp_path / "results"), "auto", "cpu")
