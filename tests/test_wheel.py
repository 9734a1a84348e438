"""The package without its repository: what a wheel brings, and what it says of what it does not bring."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUNTIME = "book/_vendor/onnxruntime-web"
#: Run from an empty folder, without a repository and without a network.
VISIT = """
import json
import torch
import guided_attention
from guided_attention.paths import results_folder, runs_folder
from guided_attention.errors import GuidedAttentionError
from guided_attention.models.stored.pretrained import load_pretrained
from guided_attention.cli.versions import known_good
from guided_attention.widgets import LiveNetwork

def message(function, *arguments, **named):
    try:
        return str(function(*arguments, **named))
    except GuidedAttentionError as error:
        return f"{type(error).__name__}: {error}"

torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3, padding=1))
live = LiveNetwork.from_model(network, torch.rand(1, 1, 8, 8))
print(json.dumps({
    "package": guided_attention.__file__,
    "runs": str(runs_folder()),
    "results": message(results_folder),
    "pretrained": message(load_pretrained, "ms-dual", address="http://127.0.0.1:9/"),
    "known": {name: str(version) for name, version in known_good().items()},
    "page": str(live.save("page/index.html")),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from what a clone has, with the build tools that are installed."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "src", clone / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copytree(ROOT / RUNTIME, clone / RUNTIME)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run([*command, "-w", clone / "made", clone], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = (clone / "made").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def visit(wheel, tmp_path_factory):
    """What a program sees that has the wheel and no repository; the folder that it worked in."""
    site, here = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    zipfile.ZipFile(wheel).extractall(site)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("GUIDED_ATTENTION_")}
    environment = {**bare, "PYTHONPATH": str(site), "HOME": str(here / "home"), "OMP_NUM_THREADS": "1"}

    def run(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)

    done = run("-c", VISIT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), here, site, run


def test_it_carries_what_it_cannot_do_without_and_little_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    runtime = {f"guided_attention/carried/{RUNTIME}/{path.name}" for path in (ROOT / RUNTIME).iterdir()}
    carried = {name for name in names if "/carried/" in name}
    assert carried == {*runtime, "guided_attention/carried/constraints.txt"}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"guided_attention"}
    assert wheel.stat().st_size < 5e6


def test_it_is_the_wheel_that_was_asked(visit):
    seen, here, site, _ = visit
    assert Path(seen["package"]) == site / "guided_attention" / "__init__.py"
    assert seen["runs"] == str(here / "runs")


def test_the_known_good_versions_come_along(visit):
    from guided_attention.cli.versions import known_good

    assert visit[0]["known"] == {name: str(version) for name, version in known_good().items()}


def test_recorded_runs_are_asked_for_with_a_remedy(visit):
    seen, here, *_ = visit
    assert seen["results"].startswith(f"DataError: {here / 'results'}: no such folder")
    assert "git clone --depth 1 https://" in seen["results"]
    assert "GUIDED_ATTENTION_RESULTS" in seen["results"]


def test_weights_are_asked_for_with_a_remedy(visit):
    """It names no script that only the repository has."""
    message = visit[0]["pretrained"]
    assert message.startswith("CheckpointError: ms-dual: its weights could not be fetched from http://127.0.0.1:9/")
    assert "load_pretrained('ms-dual', folder=...)" in message
    assert ".py" not in message


def test_the_live_network_brings_the_browsers_runtime(visit):
    seen, here, *_ = visit
    beside = (here / seen["page"]).parent / "onnxruntime-web"
    assert {path.name: path.read_bytes() for path in beside.iterdir()} == {
        name: (ROOT / RUNTIME / name).read_bytes()
        for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm.gz")
    }


def test_the_doctor_finds_it_well(visit):
    done = visit[3]("-m", "guided_attention.cli.main", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(line.startswith("ok ") for line in done.stdout.splitlines())
