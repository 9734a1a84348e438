"""``guided-attention experiment`` with real processes: plan, two cells side by side, kill, repair, failure."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from guided_attention.checkpoints import latest_checkpoint
from guided_attention.cli import main
from guided_attention.masks import masks_path
from guided_attention.records import read_record
from small_grid import tiny_job, write_tiny_set

DATASET = "phantom-t1dual-in"


def options(home, **extra):
    chosen = {
        "data": home / "data",
        "models": "pam,cam",
        "folds": 0,
        "epochs": 1,
        "results": home / "results",
        "runs": home / "runs",
        "accelerator": "cpu",
        "workers": 2,
        "threads": 2,
        **extra,
    }
    return ["experiment", *(str(part) for name, value in chosen.items() for part in (f"--{name}", value))]


def record_of(home, model, fold=0):
    return home / "results" / DATASET / model / f"fold{fold}-seed0.json"


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Home of an experiment of two cells that was killed at a random moment after its first epoch."""
    home = tmp_path_factory.mktemp("experiment")
    write_tiny_set(home / "data")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "guided_attention.cli", *options(home, epochs=4)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    folder = tiny_job(home / "data", home, "pam", epochs=4).folder(DATASET)
    while process.poll() is None and latest_checkpoint(folder / "checkpoints") is None:
        time.sleep(0.01)
    time.sleep(random.Random(2020).uniform(0, 1))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return home


def test_killed_then_finished_then_one_record_deleted(killed, capsys):
    """The whole life of an experiment, in one go because every training costs seconds."""
    before = {path: path.read_bytes() for path in (killed / "results").rglob("*.json")}
    runs = {name: tiny_job(killed / "data", killed, name, epochs=4).folder(DATASET) for name in ("pam", "cam")}
    assert latest_checkpoint(runs["pam"] / "checkpoints") is not None
    main(options(killed, epochs=4))
    shown = capsys.readouterr().out
    assert shown.startswith(f"{DATASET}, preset quick-epochs4")
    assert "2 cells: " in shown
    assert "quick runs: they show that everything works" in shown
    assert "synthetic data" in shown
    for path, content in before.items():
        assert path.read_bytes() == content, "a finished record was touched"
    for name in runs:
        record = read_record(record_of(killed, name))
        assert [row["epoch"] for row in record.curve] == [1, 2, 3, 4]
        assert masks_path(record_of(killed, name)).exists()
        assert record.provenance.threads == 1, "two workers share two threads"

    # Deleted, the record comes back from the finished run, and nothing else is touched.
    contents = {name: record_of(killed, name).read_bytes() for name in runs}
    stamps = {path: path.stat().st_mtime_ns for path in (killed / "runs").rglob("*.safetensors")}
    other = record_of(killed, "cam").stat().st_mtime_ns
    record_of(killed, "pam").unlink()
    main([*options(killed, epochs=4), "--dry-run"])
    assert "1 finished, 1 to restore" in capsys.readouterr().out
    assert not record_of(killed, "pam").exists()
    main(options(killed, epochs=4))
    assert "restored from its run" in capsys.readouterr().out
    assert {name: record_of(killed, name).read_bytes() for name in runs} == contents
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert record_of(killed, "cam").stat().st_mtime_ns == other

    # With --fresh that cell alone is trained again: the same scores from the same seed, another run.
    record_of(killed, "pam").unlink()
    main([*options(killed, epochs=4, threads=1, workers=1), "--fresh"])
    shown = capsys.readouterr().out
    assert "1 finished, 0 to restore, 0 half-finished, 1 to do" in shown
    again = read_record(record_of(killed, "pam"))
    assert record_of(killed, "cam").stat().st_mtime_ns == other
    assert runs["pam"].joinpath("record.json").read_bytes() != contents["pam"]
    assert len(again.curve) == 4
    assert all(path.stat().st_mtime_ns == stamps[path] for path in stamps if "cam" in path.parts)


def test_no_training_outlives_a_killed_experiment(killed):
    """The fixture killed the driver only: its workers saw their pipe close."""
    lines = subprocess.run(["ps", "-axo", "ppid=,args="], capture_output=True, text=True, check=True).stdout
    orphans = [line for line in lines.splitlines() if "guided_attention.grid_work" in line and line.split()[0] == "1"]
    assert orphans == []


def test_one_that_fails_does_not_stop_the_other(tmp_path, capsys):
    write_tiny_set(tmp_path / "data")
    damaged = tiny_job(tmp_path / "data", tmp_path, "cam").folder(DATASET) / "checkpoints" / "epoch-0001"
    damaged.mkdir(parents=True)
    with pytest.raises(SystemExit) as stopped:
        main(options(tmp_path, workers=1, models="cam,pam"))
    assert stopped.value.code == 1
    shown = capsys.readouterr().out
    assert f"cam fold 0 seed 0 failed: {damaged / 'state.json'}" in shown
    assert read_record(record_of(tmp_path, "pam")).model.name == "pam"
    assert not record_of(tmp_path, "cam").exists()


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    write_tiny_set(tmp_path / "data")
    main([*options(tmp_path, models="all", folds="0,1,2", seeds="0,1"), "--dry-run"])
    assert "66 cells: 0 finished, 0 to restore, 0 half-finished, 66 to do" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_bad_data_are_refused_before_anything_is_trained(tmp_path, capsys):
    data = write_tiny_set(tmp_path / "data")
    next((data / "Train_Sets" / "MR" / "3").rglob("*.png")).write_bytes(b"")
    with pytest.raises(SystemExit) as stopped:
        main(options(tmp_path))
    assert stopped.value.code == 2
    assert "1 problem" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"models": "pam,lenet"}, "models='lenet'"),
        ({"folds": "0;1"}, "folds='0;1': expected whole numbers"),
        ({"folds": "7"}, "fold=7 does not exist"),
        ({"seeds": "-1"}, "seeds='-1'"),
        ({"workers": 0}, "workers=0"),
        ({"preset": "huge"}, "preset='huge'"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, capsys, wrong, reason):
    write_tiny_set(tmp_path / "data")
    with pytest.raises(SystemExit) as stopped:
        main(options(tmp_path, **wrong))
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err
    shutil.rmtree(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []
