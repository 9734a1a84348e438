"""Records: complete or not there, readable again, and refused with the file's name when they are damaged."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import torch

import guided_attention
from guided_attention import provenance as provenance_module
from guided_attention.data.volume import ORGANS
from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.scores import METRICS, OrganScore, SubjectScores
from guided_attention.experiments.record import read_record, record_path, record_schema, write_record, write_scores
from guided_attention.experiments.run_record import Cost, DataSet, Model, Split, make_record
from guided_attention.provenance import peak_memory, provenance

nan = float("nan")


@dataclass(frozen=True)
class Settings:
    epochs: int = 3
    betas: tuple[float, float] = (0.9, 0.99)


def scores_of(name):
    values = dict.fromkeys(METRICS, 0.5)
    organs = [OrganScore(organ, 10, 12, **values) for organ in ORGANS[:3]]
    absent = OrganScore(ORGANS[3], 0, 0, **dict.fromkeys(METRICS, nan))
    return SubjectScores(name, (*organs, absent))


@pytest.fixture
def record():
    return make_record(
        dataset=DataSet("phantom-t1dual-in", "T1DUAL", synthetic=True),
        model=Model("ms-dual-guided", {"backbone": "resnet18"}),
        preset="quick",
        settings=Settings(),
        seed=3,
        split=Split(0, train=("1", "2"), validation=("3",), test=("5", "8")),
        scores=[scores_of("5"), scores_of("8")],
        curve=[{"epoch": 0, "loss": float("inf"), "dice": nan}, {"epoch": 1, "loss": 2.5, "dice": 0.25}],
        cost=Cost(training_seconds=12.5, evaluation_seconds=1.0, peak_memory_bytes=peak_memory()),
    )


def test_written_record_is_json_and_has_no_nan(record, tmp_path):
    path = write_record(record, tmp_path / "results" / "deep" / "record.json")

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    content = json.loads(path.read_text(), parse_constant=refuse)
    assert content["scores"][0]["organs"][3]["dsc"] is None
    assert content["curve"][0] == {"epoch": 0, "loss": None, "dice": None}
    assert content["settings"] == {"epochs": 3, "betas": [0.9, 0.99]}
    assert content["summary"]["spleen"]["dsc"] == {"mean": None, "std": None, "count": 0, "absent": 2}
    assert content["quick"] is True
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


def test_read_record_is_the_record(record, tmp_path):
    path = write_record(record, tmp_path / "record.json")
    again = read_record(path)
    assert (again.dataset, again.model, again.split, again.cost) == (
        record.dataset,
        record.model,
        record.split,
        record.cost,
    )
    assert again.provenance == record.provenance
    assert again.scores[1].organs[:3] == record.scores[1].organs[:3]
    assert math.isnan(again.scores[0]["spleen"].msd_mm)
    assert math.isnan(again.curve[0]["dice"])
    assert again.summary["mean"] == record.summary["mean"]
    # What is read can be written again, to the same bytes.
    assert write_record(again, tmp_path / "copy.json").read_bytes() == path.read_bytes()


def test_the_five_organs_go_without_saying_and_others_are_named(record, tmp_path):
    plain = json.loads(write_record(record, tmp_path / "plain.json").read_text())["dataset"]
    assert plain == {"name": "phantom-t1dual-in", "sequence": "T1DUAL", "synthetic": True}
    assert record.dataset.organs == ORGANS
    named = replace(record, dataset=replace(record.dataset, classes=("background", "prostate")))
    again = read_record(write_record(named, tmp_path / "named.json"))
    assert again.dataset.organs == ("prostate",)


def test_created_is_now_in_utc(record):
    created = datetime.fromisoformat(record.created)
    assert created.utcoffset() == timedelta(0)
    assert abs(datetime.now(timezone.utc) - created) < timedelta(minutes=5)


def test_only_the_quick_preset_is_labelled_quick(record):
    assert record.quick
    for wrong in ({"quick": False}, {"preset": "paper"}):
        with pytest.raises(ValueError, match=r"quick: .* does not go with preset"):
            replace(record, **wrong)
    assert not replace(record, preset="paper", quick=False).quick


def test_scores_must_be_those_of_the_test_subjects(record):
    with pytest.raises(DataError, match=r"expected the test subjects \['5', '8'\] of fold 0, found \['5'\]"):
        make_record(
            dataset=record.dataset,
            model=record.model,
            preset="quick",
            settings={},
            seed=0,
            split=record.split,
            scores=record.scores[:1],
        )


def test_a_record_that_does_not_fit_is_not_written(record, tmp_path):
    path = write_record(record, tmp_path / "record.json")
    before = path.read_bytes()
    better_than_perfect = replace(record.scores[1].organs[0], dsc=1.5)
    scores = (record.scores[0], replace(record.scores[1], organs=(better_than_perfect,)))
    with pytest.raises(DataError, match=r"record\.json: .*scores\[1\]\.organs\[0\]\.dsc, .* 1, found 1\.5"):
        write_record(replace(record, scores=scores), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_disk_leaves_the_old_record(record, tmp_path, monkeypatch):
    path = write_record(record, tmp_path / "record.json")
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_record(replace(record, seed=4), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda c: c.pop("seed"), "at seed, Field required"),
        (lambda c: c.update(schema_version=1), "at schema_version, Input should be 2, found 1"),
        (lambda c: c["scores"][0]["organs"][0].update(dsc=1.2), r"scores\[0\]\.organs\[0\]\.dsc, .*found 1.2"),
        (lambda c: c["scores"][0]["organs"][0].update(dsc="good"), "found 'good'"),
        (lambda c: c.update(seed="3"), "at seed, .*found '3'"),
        (lambda c: c.update(extra=1), "at extra"),
        (lambda c: c["curve"][1].pop("epoch"), r"at curve\[1\]\.epoch"),
        (lambda c: c["summary"].pop("mean"), "summary: expected .* and of 'mean'"),
        (lambda c: c["provenance"].update(commit="HEAD"), "provenance.commit: expected .*, found 'HEAD'"),
        (lambda c: c["split"]["train"].append("1"), "a subject occurs twice"),
        (lambda c: c["scores"].pop(), "scores: expected the test subjects"),
    ],
)
def test_damaged_content_is_named(record, tmp_path, damage, reason):
    path = write_record(record, tmp_path / "record.json")
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=reason) as caught:
        read_record(path)
    assert str(path) in str(caught.value)


def test_missing_truncated_and_unreadable_files_are_named(record, tmp_path):
    path = write_record(record, tmp_path / "record.json")
    with pytest.raises(DataError, match=r"none\.json: there is no such record"):
        read_record(tmp_path / "none.json")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"record\.json: expected a record in JSON"):
        read_record(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"record\.json: expected a record in JSON"):
        read_record(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_record(tmp_path)


def test_schema_tells_others_limits_and_that_a_score_may_be_missing():
    dsc = record_schema()["$defs"]["OrganScore"]["properties"]["dsc"]
    assert dsc["anyOf"] == [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]


def test_scores_alone_are_written_as_in_a_record(record, tmp_path):
    content = json.loads(write_scores(record.scores, tmp_path / "new" / "scores.json").read_text())
    whole = json.loads(write_record(record, tmp_path / "record.json").read_text())
    assert content == {name: whole[name] for name in ("scores", "summary", "provenance")} | {"nsd_tolerance_mm": 3.0}
    with pytest.raises(DataError, match="at least one subject"):
        write_scores([], tmp_path / "none.json")
    assert not (tmp_path / "none.json").exists()


def test_path_rule():
    path = record_path("results", "chaos-t1dual-in", "ms-dual-guided", 2, 7)
    assert path == Path("results/chaos-t1dual-in/ms-dual-guided/fold2-seed7.json")


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "c:\\x"])
def test_path_rule_stays_in_its_folder(name):
    with pytest.raises(SettingsError, match="dataset: expected a plain name"):
        record_path("results", name, "pam", 0, 0)
    with pytest.raises(SettingsError, match="model: expected a plain name"):
        record_path("results", "phantom", name, 0, 0)


def test_training_and_scores_need_no_pydantic():
    """Only records do: a machine with a GPU and little else can train and evaluate."""
    code = "import sys; sys.modules['pydantic'] = None; import guided_attention.training, guided_attention.evaluation"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_provenance_of_this_process():
    found = provenance("cpu")
    assert found.package == guided_attention.__version__
    assert found.python == sys.version.split()[0]
    assert found.torch == torch.__version__
    assert found.threads == torch.get_num_threads()
    assert found.device


def git(folder, *arguments):
    names = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", folder, *names, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_commit_and_dirty_flag_of_a_checkout(tmp_path):
    package = tmp_path / "src" / "guided_attention"
    package.mkdir(parents=True)
    (package / "a.py").write_text("x = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert provenance_module._git(package.resolve()) == (head, False)
    (tmp_path / "notes.txt").write_text("not tracked\n")
    assert provenance_module._git(package.resolve()) == (head, False)
    (package / "a.py").write_text("x = 2\n")
    assert provenance_module._git(package.resolve()) == (head, True)


def test_installation_inside_another_repository_has_no_commit(tmp_path):
    package = tmp_path / ".venv" / "site-packages" / "guided_attention"
    package.mkdir(parents=True)
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "somebody else's")
    assert provenance_module._git(package.resolve()) == (None, None)


def test_no_git_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance_module._git(tmp_path) == (None, None)


def test_peak_memory_counts_this_process():
    # In a process of its own: the peak of a long test run would need as much memory again to be passed.
    code = (
        "import numpy as np; from guided_attention.provenance import peak_memory; before = peak_memory(); "
        "block = np.ones(50_000_000); print(before, peak_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    before, after = map(int, done.stdout.split())
    assert 50e6 < before < 10e9
    assert 300e6 < after - before < 500e6
