"""Which processes train together, whatever torchrun or SLURM left in their environment."""

import json
import os
import subprocess
import sys

import pytest

from guided_attention.errors import SettingsError
from guided_attention.training.devices import Where, is_first_process, prepare
from small_grid import tiny_job, write_tiny_set

NAMES = (
    "RANK",
    "LOCAL_RANK",
    "GROUP_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "NODE_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
)
SLURM = ("NTASKS", "NTASKS_PER_NODE", "PROCID", "LOCALID", "NODEID", "JOB_NAME", "NNODES")


@pytest.fixture
def environment(monkeypatch):
    """Sets what is given, and nothing else of its kind."""

    def only(**given):
        for name in (*NAMES, *(f"SLURM_{name}" for name in SLURM)):
            monkeypatch.delenv(name, raising=False)
        for name, value in given.items():
            monkeypatch.setenv(name, str(value))

    only()
    return only


def torchrun(rank, world=2):
    both = {"WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "GROUP_RANK": 0, "RANK": rank, "LOCAL_RANK": rank}
    return {**both, "TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 29500}


def srun(rank, tasks=2, **other):
    words = {"NTASKS": tasks, "NTASKS_PER_NODE": tasks, "PROCID": rank, "LOCALID": rank, "NODEID": 0, "JOB_NAME": "job"}
    return {f"SLURM_{name}": value for name, value in {**words, **other}.items() if value is not None}


@pytest.mark.parametrize(
    "given",
    [
        {},
        torchrun(1),
        {"LOCAL_RANK": 1},
        srun(3, 4),
        {"SLURM_PROCID": 1, "SLURM_NTASKS": 2},
        {"SLURM_NTASKS": 4, "SLURM_NTASKS_PER_NODE": 4, "SLURM_JOB_NAME": "train"},  # sbatch or salloc without srun
        {"SLURM_NTASKS": "", "SLURM_PROCID": "none", "RANK": "", "WORLD_SIZE": "4(x2)"},
    ],
)
def test_on_one_device_a_process_is_alone(environment, given):
    """So it takes the lock of its run and writes, also as one of ``srun -n 4``: the next then finds it finished."""
    environment(**given)
    where = Where("cpu")
    fabric = prepare(where)
    assert is_first_process(where)
    assert (fabric.is_global_zero, fabric.world_size) == (True, 1)


def test_lightning_itself_is_imported_whatever_a_launcher_left():
    """It reads RANK and its like then; in this process it has been imported long ago."""
    program = "from guided_attention.training.devices import HERE, prepare; print(prepare(HERE).world_size)"
    left = {"RANK": "", "LOCAL_RANK": "-1", "SLURM_PROCID": "none"}
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, **left}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.mark.parametrize(
    ("given", "first"),
    [
        ({}, True),
        ({**{n: v for n, v in torchrun(1).items() if "TORCH" not in n}, "NODE_RANK": 0}, False),  # by Fabric itself
        (torchrun(0), True),
        (torchrun(1), False),
        (srun(0), True),
        (srun(1), False),
        (srun(1, JOB_NAME="bash"), True),  # a shell that SLURM opened starts one process
        ({**srun(1), **torchrun(0)}, True),  # torchrun inside a SLURM job
        (srun(3, 4, NTASKS_PER_NODE=2, LOCALID=1, NODEID=1, NNODES=2), False),  # two machines
    ],
)
def test_on_several_devices_the_first_is_the_one_that_fabric_calls_so(environment, given, first):
    environment(**given)
    assert is_first_process(Where("cpu", 2)) is first


@pytest.mark.parametrize(
    "given",
    [
        srun(1, PROCID=None),  # half set
        srun(1, NODEID=None),
        srun(0, NTASKS_PER_NODE=None),
        srun(0, tasks=4),  # four processes, asked for two devices
        srun(0, tasks=1, NTASKS_PER_NODE=None),  # a batch script that forgot srun
        torchrun(0, world=3),
        srun(0, NTASKS_PER_NODE="2(x3)"),
        {**torchrun(0), "WORLD_SIZE": ""},
        {"LOCAL_RANK": 1},  # left over: it would wait for a first process that nobody has started
        {"LOCAL_RANK": 0, "WORLD_SIZE": 2},
    ],
)
def test_processes_that_are_not_one_for_each_device_are_an_error_before_anything_begins(environment, given):
    environment(**given)
    with pytest.raises(SettingsError, match=r"devices=2: .*srun --ntasks-per-node=2, .*unset"):
        is_first_process(Where("cpu", 2))


def test_four_processes_of_srun_on_one_device_leave_one_whole_run(tmp_path):
    """Side by side in one folder: the first trains, the others wait and find it finished; all end well."""
    job = tiny_job(write_tiny_set(tmp_path / "data"), tmp_path)
    command = [sys.executable, "-m", "guided_attention.cli.main", "train", "--model", "pam", "--data", job.data]
    command += ["--epochs", "1", "--out", str(tmp_path / "out"), "--accelerator", "cpu", "--no-progress"]
    begun = [
        subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1", **_words(srun(rank, 4))})
        for rank in (1, 3)  # those that were nobody's first
    ]
    assert [process.wait() for process in begun] == [0, 0]
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert [row["epoch"] for row in record["curve"]] == [1]
    assert (tmp_path / "out" / "model.safetensors").exists()


def _words(environment):
    return {name: str(value) for name, value in environment.items()}
