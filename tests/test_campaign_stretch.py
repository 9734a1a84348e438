"""Whole stretches of a campaign with real trainings, so small that each takes seconds."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from guided_attention.campaign.export import best_run, compare, half_precision, licence_of
from guided_attention.campaign.packed import open_packed, write_packed
from guided_attention.campaign.processes import start_process
from guided_attention.campaign.settings import variant
from guided_attention.campaign.state import Campaign, Memory
from guided_attention.campaign.stretch import run_campaign
from guided_attention.campaign.timing import Timing
from guided_attention.cells import Cell
from guided_attention.data import DataSource
from guided_attention.errors import CheckpointError
from guided_attention.experiments import run_cell
from guided_attention.models import build_model
from guided_attention.provenance import device_name
from guided_attention.records import read_record
from guided_attention.tensors import read_tensors
from guided_attention.weights import load_network
from small_volumes import small_volume

ROOT = Path(__file__).parents[1]
LACKING = ("monai", "pydicom", "nibabel", "jsonschema", "tyro", "pooch", "jupytext", "tensorboard", "statsmodels")


class Made(DataSource):
    def read(self, subject):
        return small_volume(subject, int(subject), slices=3)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Four synthetic subjects in one file."""
    return write_packed(Made("phantom-made", "phantom", None, tuple("1234")), tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def bare(packed, tmp_path_factory):
    """A finished campaign of two cells on a machine that lacks what a bare one lacks; its output and folders."""
    root = tmp_path_factory.mktemp("bare")
    (root / "hook").mkdir()
    (root / "hook" / "sitecustomize.py").write_text(
        textwrap.dedent(f"""
            import sys
            for name in {LACKING!r}:
                sys.modules[name] = None  # importing it now raises ModuleNotFoundError
        """)
    )
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu_campaign.py"), "--minutes=4", "--data", str(packed)]
    command += ["--preset=quick", "--models=unet", "--folds=0,1", "--epochs=1", "--accelerator=cpu", "--threads=1"]
    command += ["--side-by-side=2", "--weights-out=weights"]
    environment = {**os.environ, "PYTHONPATH": str(root / "hook"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, root


class TestBareMachine:
    def test_every_cell_is_finished_and_recorded(self, bare):
        output, root = bare
        assert "2 of 2 cells are finished" in output
        for fold in (0, 1):
            record = read_record(root / f"results/phantom-made/unet/fold{fold}-seed0.json")
            assert (record.preset, record.split.fold, len(record.curve)) == ("quick-epochs1", fold, 1)
            assert record.dataset.synthetic

    def test_side_by_side_gives_the_weights_of_one_after_the_other(self, bare, packed, tmp_path):
        """And data kept on the device those of a loader: the cells are trained again here, each alone."""
        _, root = bare
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for fold in (0, 1):
                alone = tmp_path / str(fold)
                run_cell(
                    Cell("unet", fold),
                    open_packed(packed),
                    variant("quick", 1),
                    alone,
                    accelerator="cpu",
                    progress=False,
                )
                beside = root / f"runs/phantom-made/unet/quick-epochs1-fold{fold}-seed0"
                expected, found = (read_tensors(folder / "model.safetensors") for folder in (alone, beside))
                assert expected.keys() == found.keys()
                for name, value in expected.items():
                    assert torch.equal(found[name], value), name
        finally:
            torch.set_num_threads(threads)

    def test_how_the_device_may_compute_is_recorded(self, bare):
        how = json.loads((bare[1] / "runs/phantom-made/unet/quick-epochs1-fold0-seed0/campaign.json").read_text())
        assert how["cudnn_allow_tf32"] is False
        assert how["float32_matmul_precision"] == "highest"
        assert (how["resident"], how["side_by_side"], how["threads"]) == (True, 2, 1)

    def test_the_best_network_in_half_precision(self, bare):
        _, root = bare
        path = root / "weights/phantom-made/unet.safetensors"
        model, spec = load_network(path)
        stored = read_tensors(path)
        assert all(stored[name].dtype == torch.float16 for name, _ in model.named_parameters())
        runs = [root / f"runs/phantom-made/unet/quick-epochs1-fold{fold}-seed0" for fold in (0, 1)]
        best = max(runs, key=lambda run: json.loads((run / "record.json").read_text())["curve"][0]["dice"])
        full = read_tensors(best / "model.safetensors")
        for name, value in model.state_dict().items():
            torch.testing.assert_close(value, full[name], rtol=1e-3, atol=1e-7)
        notes = spec.notes
        assert notes["licence"].startswith("Apache-2.0")
        assert notes["largest_dice_difference"] < 0.05
        assert abs(notes["test_dice_float32"] - notes["test_dice_float16"]) < 0.02
        assert {"commit", "device", "training_seconds", "sequence", "created"} <= notes.keys()
        assert not (path.parent / ".gitignore").exists()  # synthetic: may be committed

    def test_the_next_stretch_has_nothing_to_do(self, bare, packed, monkeypatch):
        _, root = bare
        monkeypatch.chdir(root)
        said = []
        campaign = Campaign(1, str(packed), preset="quick", models=("unet",), folds=(0, 1), epochs=1, accelerator="cpu")
        states = run_campaign(replace(campaign, weights_out="weights"), say=said.append)
        assert all(state.finished for state in states)
        assert "2 of 2 cells are finished" in said[-1]
        assert "remains" not in said[-1]


def test_a_cut_cell_goes_on_in_the_next_stretch(packed, tmp_path):
    """The time ends as soon as the second checkpoint is there; the next stretch gives an uninterrupted run's bits."""
    campaign = Campaign(
        2,
        str(packed),
        preset="quick",
        models=("unet",),
        folds=(0,),
        epochs=3,
        runs=str(tmp_path / "runs"),
        results=str(tmp_path / "results"),
        side_by_side=1,
        accelerator="cpu",
    )
    key = {"device": device_name("cpu"), "threads": 1}
    memory = Memory(tmp_path / "runs/phantom-made/campaign-quick.json", key)
    memory.timings, memory.start, memory.free = {"unet": Timing(0.1, 0.01, 1, 1)}, 1.0, 2**40
    memory.save()
    folder = tmp_path / "runs/phantom-made/unet/quick-epochs3-fold0-seed0"

    def clock():
        return 10_000.0 if (folder / "checkpoints" / "epoch-0002").exists() else 0.0

    said = []
    (state,) = run_campaign(campaign, say=said.append, clock=clock)
    assert not state.finished
    assert state.epochs == 2
    assert "cut off by the end of the time" in "\n".join(said)
    assert f"{state.epochs} of 3 epochs" in said[-1]
    assert "minutes more" in said[-1]

    said.clear()
    (state,) = run_campaign(campaign, say=said.append)
    assert state.finished
    assert "goes on" in "\n".join(said)
    alone = tmp_path / "alone"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    run_cell(Cell("unet"), open_packed(packed), variant("quick", 3), alone, accelerator="cpu", progress=False)
    torch.set_num_threads(threads)
    found, expected = (read_tensors(place / "model.safetensors") for place in (folder, alone))
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_no_training_outlives_its_campaign(packed, tmp_path):
    campaign = Campaign(1, str(packed), preset="quick", runs=str(tmp_path / "runs"), results=str(tmp_path / "results"))
    job = campaign.job(Cell("unet"), 500, "32-true")
    process = start_process({"do": "train", "job": asdict(job)}, tmp_path / "log", campaign)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(60) == 3


class TestExport:
    def test_licences(self):
        def terms(name, kind):
            return licence_of(DataSource(name, kind, None, ()))

        assert terms("phantom-t1dual-in", "phantom").startswith("Apache-2.0")
        assert terms("chaos-t1dual-in", "chaos").startswith("CC BY-NC-SA 4.0")
        assert terms("nifti-chaos_t2spir", "nifti").startswith("CC BY-NC-SA 4.0")
        assert terms("nifti-ours", "nifti").startswith("not stated")

    def test_chooses_by_validation(self, tmp_path):
        for name, dices in (("a", (0.3, 0.6)), ("b", (0.7, 0.2)), ("c", (0.9,))):
            (tmp_path / name).mkdir()
            content = {"curve": [{"dice": dice} for dice in dices]}
            (tmp_path / name / "record.json").write_text(json.dumps(content))
            if name != "c":  # not whole: no weights
                (tmp_path / name / "model.safetensors").touch()
        assert best_run([tmp_path / name for name in "abc"]) == tmp_path / "b"
        assert best_run([tmp_path / "c"]) is None

    def test_a_weight_beyond_half_precision_is_an_error(self):
        model = build_model("unet", channels=4)
        with torch.no_grad():
            next(model.parameters()).fill_(1e5)
        with pytest.raises(CheckpointError, match="beyond 65504 has no half-precision value"):
            half_precision(model)

    def test_comparison_by_hand(self):
        class Organ:
            def __init__(self, organ, dsc):
                self.organ, self.dsc = organ, dsc

        class Subject:
            subject, organs = "1", (Organ("liver", 0.9), Organ("spleen", 0.5), Organ("kidney_left", float("nan")))

        values = {"liver": 0.8, "spleen": 0.52, "kidney_left": None}
        before = [{"subject": "1", "organs": [{"organ": name, "dsc": dsc} for name, dsc in values.items()]}]
        found = compare(before, [Subject()])
        assert found["test_dice_float32"] == pytest.approx(0.66)
        assert found["test_dice_float16"] == pytest.approx(0.70)
        assert found["largest_dice_difference"] == pytest.approx(0.1)
