"""``guided-attention experiment`` with real processes: plan, kill, go on, restore, train again, failure."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from guided_attention.cli.main import main
from guided_attention.experiments.job import Stretch
from guided_attention.experiments.label_volumes import masks_path
from guided_attention.experiments.local import run_here
from guided_attention.experiments.plan import plan
from guided_attention.experiments.record import read_record
from guided_attention.models.stored.weights import load_network
from guided_attention.training.checkpoints import latest_checkpoint
from small_grid import tiny_job, write_tiny_set

DATASET = "phantom-t1dual-in"
EPOCHS = 3


def options(home, **extra):
    chosen = {
        "data": home / "data",
        "models": "pam,cam",
        "folds": 0,
        "epochs": EPOCHS,
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


def run_of(home, model):
    return tiny_job(home / "data", home, model, epochs=EPOCHS).folder(DATASET)


def processes():
    """Pairs of process and parent; the dead that nobody has waited for do not count."""
    lines = subprocess.run(["ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in lines.splitlines()]
    return [(int(pid), int(parent)) for pid, parent, state in rows if not state.startswith("Z")]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Home of an experiment that was killed at a random moment of its second trial; its worker ends with it."""
    home = tmp_path_factory.mktemp("experiment")
    write_tiny_set(home / "data")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "guided_attention.cli.main", *options(home, workers=1, threads=1)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    second = run_of(home, "cam") / "checkpoints"
    while process.poll() is None and not second.exists():
        time.sleep(0.01)
    time.sleep(random.Random(2020).uniform(0, 0.5))
    workers = [pid for pid, parent in processes() if parent == process.pid]
    assert workers
    process.send_signal(signal.SIGKILL)
    process.communicate()
    end = time.monotonic() + 20
    while any(pid in workers for pid, _ in processes()):
        assert time.monotonic() < end, "a training outlives its experiment"
        time.sleep(0.05)
    return home


def test_killed_then_finished_then_one_record_deleted(killed, capsys):
    """The whole life of an experiment, in one go because every training costs seconds."""
    before = record_of(killed, "pam").read_bytes()
    broken = run_of(killed, "dual")
    broken.parent.mkdir()
    broken.touch()  # a file where the run's folder should be
    with pytest.raises(SystemExit) as stopped:
        main(options(killed, models="dual,pam,cam"))
    assert stopped.value.code == 1
    shown = capsys.readouterr().out
    assert shown.startswith(f"{DATASET}, preset quick-epochs{EPOCHS}")
    assert "3 trials: 1 finished" in shown
    assert f"dual fold 0 seed 0 failed: [Errno 17] File exists: '{broken}'" in shown
    assert "quick runs: they show that everything works" in shown
    assert "synthetic data" in shown
    assert record_of(killed, "pam").read_bytes() == before, "a finished record was touched"
    assert not record_of(killed, "dual").exists()
    for name in ("pam", "cam"):
        record = read_record(record_of(killed, name))
        assert [row["epoch"] for row in record.curve] == list(range(1, EPOCHS + 1))
        assert masks_path(record_of(killed, name)).exists()
        assert record.provenance.threads == 1

    # Deleted, the record comes back from the finished run, and nothing else is touched.
    stamps = {path: path.stat().st_mtime_ns for path in killed.rglob("*") if path.is_file()}
    record_of(killed, "pam").unlink()
    main([*options(killed), "--dry-run"])
    assert "1 finished, 1 to restore" in capsys.readouterr().out
    assert not record_of(killed, "pam").exists()
    main([*options(killed), "--export", str(killed / "best")])
    shown = capsys.readouterr().out
    assert "restored from its run" in shown
    for name in ("pam", "cam"):
        assert f"{name}: quick-epochs{EPOCHS}-fold0-seed0 exported in half precision" in shown
        _, spec = load_network(killed / "best" / DATASET / f"{name}.safetensors")
        assert (spec.name, spec.notes["precision_of_weights"]) == (name, "float16")
    assert record_of(killed, "pam").read_bytes() == before
    again = {record_of(killed, "pam"), masks_path(record_of(killed, "pam"))}
    assert {path for path in stamps if path.stat().st_mtime_ns != stamps[path]} <= again

    # With --fresh that trial alone is trained again.
    record_of(killed, "pam").unlink()
    main([*options(killed), "--fresh"])
    assert "1 finished, 0 to restore, 0 half-finished, 1 to do" in capsys.readouterr().out
    record = read_record(record_of(killed, "pam"))
    assert record.created > json.loads(before)["created"]
    assert [row["epoch"] for row in record.curve] == list(range(1, EPOCHS + 1))
    assert all(path.stat().st_mtime_ns == stamps[path] for path in stamps if "cam" in path.relative_to(killed).parts)


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    write_tiny_set(tmp_path / "data")
    main([*options(tmp_path, models="all", folds="0,1,2", seeds="0,1"), "--dry-run"])
    assert "66 trials: 0 finished, 0 to restore, 0 half-finished, 66 to do" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_when_no_time_is_left_nothing_begins_and_the_table_says_so(tmp_path, capsys):
    write_tiny_set(tmp_path / "data")
    with pytest.raises(SystemExit) as stopped:
        main(options(tmp_path, minutes=1e-6))
    assert stopped.value.code == 75
    shown = capsys.readouterr().out
    assert shown.count("not started: 0.0 minutes were left\n") == 4  # as it happens, and in the table
    assert "left for the next call of the same command: 2 of 2 trials." in shown
    assert not (tmp_path / "runs").exists()


def test_when_the_time_is_over_a_training_stops_with_its_checkpoint(tmp_path):
    """It begins, because nobody knows how long it takes; it cannot end in two seconds."""
    job = tiny_job(write_tiny_set(tmp_path / "data"), tmp_path, epochs=500)
    begin = time.time()
    job = replace(job, stretch=Stretch(begin, begin + 2))
    other = replace(job, trial=replace(job.trial, seed=1))
    ended = run_here(plan([job, other], job.source(), tmp_path / "results"), 1, "cpu", lambda _: None)
    assert [outcome.record or outcome.error for outcome in ended] == ["", ""]
    done = int(latest_checkpoint(job.folder(DATASET) / "checkpoints").name.split("-")[1])
    assert 1 <= done < 500
    assert ended[0].left == f"stopped after epoch {done} of 500; the same command goes on from there"
    assert ended[1].left.startswith("not started: needs about ")
    assert not other.folder(DATASET).exists()


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
        ({"minutes": 0}, "minutes=0.0 must be greater than 0"),
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
