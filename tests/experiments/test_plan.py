"""What is finished, half-finished and to do; what may be replaced; what its workers say."""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from guided_attention.errors import DataError, SettingsError
from guided_attention.experiments.job import Job, Stretch, run_job
from guided_attention.experiments.label_volumes import masks_path
from guided_attention.experiments.local import device_environment, run_here
from guided_attention.experiments.plan import clear, plan, plan_table, restore, weights_for
from guided_attention.files import digest
from guided_attention.models import build_model
from guided_attention.training.changes import Changes
from small_grid import tiny_job, write_tiny_set


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Data, and a home in which one trial is finished."""
    home = tmp_path_factory.mktemp("grid")
    job = tiny_job(write_tiny_set(home / "data"), home)
    run_job(job)
    return home


@pytest.fixture
def home(done, tmp_path):
    """A copy of it to spoil; weights are large and only deleted, never changed: links will do."""

    def link_or_copy(source, target):
        (os.link if Path(source).suffix == ".safetensors" else shutil.copy2)(source, target)

    shutil.copytree(done, tmp_path / "home", copy_function=link_or_copy)
    return tmp_path / "home"


def look(home, fresh=False, **changes):
    job = tiny_job(home / "data", home, **changes)
    (planned,) = plan([job], job.source(), home / "results", fresh=fresh)
    return planned


class TestPlan:
    def test_a_record_means_finished(self, home):
        planned = look(home)
        assert planned.status == "finished"
        assert planned.target == home / "results" / "phantom-t1dual-in" / "pam" / "fold0-seed0.json"
        assert planned.record.summary["mean"]["dsc"].count == len(planned.record.split.test)
        assert look(home, fresh=True).status == "finished"

    def test_without_record_the_finished_run_gives_it_back_byte_for_byte(self, home):
        target = look(home).target
        before = target.read_bytes(), masks_path(target).read_bytes()
        target.unlink()
        masks_path(target).unlink()
        planned = look(home)
        assert planned.status == "to restore"
        restore(planned)
        assert (target.read_bytes(), masks_path(target).read_bytes()) == before
        target.unlink()
        assert look(home, fresh=True).status == "to do"

    @pytest.mark.parametrize("missing", ["record.json", "model.safetensors", "predictions.npz"])
    def test_a_run_that_was_killed_before_its_end_is_half_finished(self, home, missing):
        planned = look(home)
        planned.target.unlink()
        (planned.folder / missing).unlink()
        planned = look(home)
        assert (planned.status, planned.epochs) == ("half-finished", 1)
        assert "1 half-finished" in plan_table([planned])
        assert "1 of 1 epochs" in plan_table([planned])
        assert look(home, fresh=True).epochs == 0

    def test_neighbours_are_to_do(self, home):
        for changes in ({"model": "cam"}, {"fold": 1}, {"seed": 1}):
            assert look(home, **changes).status == "to do"

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"preset": "quick-epochs7"}, "preset is 'quick-epochs7' there, asked for is 'quick-epochs1'"),
            ({"settings": {"learning_rate": 0.5}}, "settings.learning_rate is 0.5 there, asked for is 0.001"),
            ({"dataset": {"synthetic": False}}, "dataset.synthetic is False there"),
            ({"split": {"train": ["7"]}}, r"split.train is \['7'\] there"),
            ({"model": {"options": {"channels": 9}}}, "model.options.channels is 9 there, asked for is 32"),
        ],
    )
    def test_a_record_of_anything_else_is_an_error_that_names_it(self, home, change, reason):
        target = look(home).target
        content = json.loads(target.read_text())
        for key, value in change.items():
            content[key] = {**content[key], **value} if isinstance(value, dict) else value
        target.write_text(json.dumps(content))
        before = target.read_bytes()
        with pytest.raises(SettingsError, match=reason) as caught:
            look(home)
        assert str(target) in str(caught.value)
        assert target.read_bytes() == before

    def test_other_epochs_are_other_settings(self, home):
        with pytest.raises(SettingsError, match=r"settings\.epochs is 1 there, asked for is 2"):
            look(home, epochs=2)

    def test_a_network_that_started_from_other_weights_is_another_experiment(self, home, tmp_path):
        file = tmp_path / "resnet18.pth"
        network = build_model("pam", **tiny_job(home, home).settings.model_options("pam"))
        torch.save(network.backbone.state_dict() | {"conv1.weight": torch.ones(64, 3, 7, 7)}, file)
        job = replace(tiny_job(home / "data", home), weights=str(file))
        planned = look(home)
        assert planned.record.model.initial_weights == "random"
        for again in (lambda: plan([job], job.source(), home / "results"), lambda: run_job(job)):
            with pytest.raises(SettingsError, match=r"initial_weights is 'random' there|other weights \(random; this"):
                again()
        elsewhere = replace(job, trial=replace(job.trial, seed=1))
        assert run_job(elsewhere).model.initial_weights == f"resnet18.pth {digest(file.read_bytes())}"
        # A record from before this was written down counts for both.
        content = json.loads(planned.target.read_text())
        del content["model"]["initial_weights"]
        planned.target.write_text(json.dumps(content))
        assert plan([job], job.source(), home / "results")[0].status == "finished"

    def test_a_record_of_an_older_version_also_names_workers(self, home):
        target = look(home).target
        content = json.loads(target.read_text())
        content["settings"]["workers"] = 4
        target.write_text(json.dumps(content))
        assert look(home).status == "finished"

    def test_a_damaged_record_is_an_error(self, home):
        target = look(home).target
        target.write_text("{")
        with pytest.raises(DataError, match="cannot be parsed"):
            look(home)

    def test_clear_waits_for_nobody(self, home):
        planned = look(home)
        with FileLock(planned.folder / ".lock"), pytest.raises(SettingsError, match="another process is training"):
            clear(planned)
        assert (planned.folder / "record.json").exists()
        clear(planned)
        assert not planned.folder.exists()
        clear(planned)


class TestJob:
    def test_survives_as_text(self, tmp_path):
        job = replace(tiny_job(tmp_path, tmp_path, seed=3), stretch=Stretch(1.5, 2.5))
        assert Job.from_json(job.to_json()) == job

    def test_epochs_make_another_preset(self, tmp_path):
        assert tiny_job(tmp_path, tmp_path).settings.name == "quick-epochs1"
        assert tiny_job(tmp_path, tmp_path, epochs=None).settings.name == "quick"

    def test_weights_are_those_of_the_backbone(self, tmp_path):
        for name in ("resnet18-5c10.pth", "resnet101-63fe.pth"):
            (tmp_path / name).touch()
        job = tiny_job(tmp_path, tmp_path)
        paper = replace(job, preset="paper", changes=Changes())
        assert Path(weights_for(tmp_path, job)).name == "resnet18-5c10.pth"
        assert Path(weights_for(tmp_path, paper)).name == "resnet101-63fe.pth"
        assert weights_for(None, job) is None
        assert weights_for(tmp_path, tiny_job(tmp_path, tmp_path, model="unet")) is None
        assert weights_for(tmp_path / "resnet18-5c10.pth", job) == str(tmp_path / "resnet18-5c10.pth")
        with pytest.raises(SettingsError, match=r"needs one file resnet34\*, found none"):
            weights_for(tmp_path, tiny_job(tmp_path, tmp_path, model="pan-resnet34"))


class TestDevices:
    def test_every_worker_sees_one_gpu(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        seen = [device_environment(slot, "cuda", 3)["CUDA_VISIBLE_DEVICES"] for slot in range(3)]
        assert seen == ["0", "1", "0"]
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
        assert device_environment(1, "auto", 3)["CUDA_VISIBLE_DEVICES"] == "7"
        assert device_environment(1, "auto", 3)["OMP_NUM_THREADS"] == "3"

    def test_without_a_gpu(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
        assert device_environment(0, "cpu", 1)["CUDA_VISIBLE_DEVICES"] == ""
        with pytest.raises(SettingsError, match="0 GPUs"):
            run_here([], 1, "cuda")
        with pytest.raises(SettingsError, match="workers=0"):
            run_here([], 0)


#: Waits until as many workers as asked for have begun, then fails, ends by a signal, or without a record.
WORKER = """
import json, os, pathlib, sys, time
job = json.loads(sys.stdin.readline())
here, model = pathlib.Path(job["results"]), job["trial"]["model"]
(here / model).touch()
end = time.monotonic() + 20
while not ((here / "pam").exists() and (here / "cam").exists()) and time.monotonic() < end:
    time.sleep(0.01)
if model == "pam":
    sys.exit("error: no luck" if time.monotonic() < end else "alone")
os.kill(os.getpid(), 9)
"""


def test_workers_run_side_by_side_and_their_ends_are_told(tmp_path):
    data = write_tiny_set(tmp_path / "data")
    jobs = [tiny_job(data, tmp_path, model) for model in ("dual", "pam", "cam")]
    (tmp_path / "results").mkdir()
    planned = plan(jobs, jobs[0].source(), tmp_path / "results")
    planned[0].folder.parent.mkdir(parents=True)
    planned[0].folder.touch()  # a file where its folder should be
    told = []
    ended = run_here(planned, 2, "cpu", told.append, command=[sys.executable, "-c", WORKER])
    assert told == ended
    errors = {outcome.job.trial.model: outcome.error for outcome in ended}
    assert str(planned[0].folder) in errors["dual"]
    assert errors["pam"].startswith("no luck\n  log: ")
    assert errors["cam"].startswith("killed by signal 9")
