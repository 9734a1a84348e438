"""The written phantom: CHAOS's layout, the same bytes again, whole or not at all, and readable by the same reader."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from guided_attention.data import open_source, read_chaos_subject
from guided_attention.data.phantom import PRESETS, make_phantom, phantom_folder, subject_ids, write, write_phantom
from guided_attention.errors import DataError, SettingsError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", preset="tiny", seed=7, workers=2)


def contents(root):
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def record(root):
    return json.loads((root / "phantom.json").read_text())


def test_the_layout_is_that_of_chaos(tree):
    mr = tree / "Train_Sets" / "MR"
    assert sorted(p.name for p in mr.iterdir()) == sorted(["1", "2", "3", "5", "8", "10"])
    for subject in mr.iterdir():
        inside = sorted(p.stem for p in (subject / "T1DUAL/DICOM_anon/InPhase").glob("IMG-*.dcm"))
        outside = sorted(p.stem for p in (subject / "T1DUAL/DICOM_anon/OutPhase").glob("IMG-*.dcm"))
        ground = sorted(p.stem for p in (subject / "T1DUAL/Ground").glob("*.png"))
        assert inside == ground
        assert all(int(s[-5:]) % 2 == 0 for s in inside)
        assert [int(s[-5:]) + 1 for s in outside] == [int(s[-5:]) for s in inside]
        spir = sorted(p.stem for p in (subject / "T2SPIR/DICOM_anon").glob("IMG-*.dcm"))
        assert spir == sorted(p.stem for p in (subject / "T2SPIR/Ground").glob("*.png"))
        assert len(spir) == len(inside) >= PRESETS["tiny"].slices[0]


def test_dicom_files_say_what_a_reader_needs(tree):
    subject = tree / "Train_Sets/MR/1"
    seen = {}
    for phase in ("InPhase", "OutPhase"):
        files = [pydicom.dcmread(p) for p in sorted((subject / "T1DUAL/DICOM_anon" / phase).glob("*.dcm"))]
        seen[phase] = files
        for number, data in enumerate(files):
            assert data.pixel_array.shape == (data.Rows, data.Columns)
            assert (data.BitsAllocated, data.BitsStored, data.HighBit) == (16, 12, 11)
            assert data.pixel_array.max() < 4096
            assert data.PhotometricInterpretation == "MONOCHROME2"
            assert data.Modality == "MR"
            assert data.InstanceNumber == 2 * number + (2 if phase == "InPhase" else 1)
            assert [float(v) for v in data.ImageOrientationPatient] == [1, 0, 0, 0, 1, 0]
            assert "SYNTHETIC" in data.ImageType
            assert float(data.FlipAngle) > 0
            assert float(data.RepetitionTime) > float(data.EchoTime)
        heights = sorted(float(d.ImagePositionPatient[2]) for d in files)
        steps = np.diff(heights)
        np.testing.assert_allclose(steps, steps[0], atol=2e-3)
        # as in CHAOS, the slice thickness is not the distance between slices
        assert abs(float(files[0].SliceThickness) - steps[0]) > 0.5
    inside, outside = seen["InPhase"], seen["OutPhase"]
    assert float(inside[0].EchoTime) == 4.6
    assert float(outside[0].EchoTime) == 2.3
    assert len({d.SeriesInstanceUID for d in inside + outside}) == 1
    every = [pydicom.dcmread(p, stop_before_pixels=True) for p in tree.rglob("*.dcm")]
    assert len({d.SOPInstanceUID for d in every}) == len(every)
    assert all(d.SOPInstanceUID.is_valid and d.SeriesInstanceUID.is_valid for d in every)
    assert len({d.SeriesInstanceUID for d in every}) == 2 * 6


def test_labels_have_the_greys_of_chaos(tree):
    found = set()
    for path in (tree / "Train_Sets/MR").rglob("*.png"):
        grey = Image.open(path)
        assert grey.mode == "L"
        found |= set(np.unique(np.asarray(grey)).tolist())
    assert found == {0, 63, 126, 189, 252}


def test_file_order_is_not_anatomical_order_for_some_subjects():
    # the order follows from the subject's seed alone
    from guided_attention.data.phantom.dicom import acquisition_order

    kinds = {tuple(acquisition_order(9, np.random.default_rng([seed, 1]))) for seed in range(40)}
    assert kinds == {
        tuple(range(9)),
        tuple(range(8, -1, -1)),
        (0, 2, 4, 6, 8, 1, 3, 5, 7),
    }


@pytest.fixture(scope="module")
def made(tree):
    """The same subjects made in memory (three of the six)."""
    seeds = list(record(tree)["subjects"].items())[::2]
    return [make_phantom(seed, PRESETS["tiny"], subject) for subject, seed in seeds]


@pytest.mark.parametrize(
    ("sequence", "phase", "name"),
    [("T1DUAL", "in", "in_phase"), ("T1DUAL", "out", "out_phase"), ("T2SPIR", "in", "t2_spir")],
)
def test_the_reader_gets_back_what_was_made(tree, made, sequence, phase, name):
    for phantom in made:
        volume = getattr(phantom, name)
        read = read_chaos_subject(tree / "Train_Sets/MR" / volume.subject, sequence, phase)
        np.testing.assert_array_equal(read.image, volume.image)
        np.testing.assert_array_equal(read.labels, volume.labels)
        np.testing.assert_allclose(read.spacing, volume.spacing, atol=1e-3)
        assert read.subject == volume.subject


def test_the_set_is_a_source_without_problems(tree):
    source = open_source(tree)
    assert source.name.startswith("phantom")
    assert source.subjects == tuple(map(str, subject_ids(6)))
    assert source.check().ok


def test_the_same_seed_writes_the_same_bytes(tree, tmp_path):
    again = write_phantom(tmp_path / "again", preset="tiny", seed=7, workers=1)
    assert contents(again) == contents(tree)
    assert record(tree)["seed"] == 7
    assert "Synthetic" in record(tree)["what"]


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "gone"), OSError(38, "Function not implemented"), ImportError()]
)
def test_without_shared_memory_one_process_writes_the_same(tree, tmp_path, monkeypatch, error):
    def no_lock(*_, **__):
        raise error

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", no_lock)
    again = write_phantom(tmp_path / "phantom", preset="tiny", seed=7, workers=2)
    assert contents(again) == contents(tree)


def test_another_seed_writes_another_set(tree, tmp_path):
    other = write_phantom(tmp_path / "other", subjects=1, preset="tiny", seed=8, workers=1)
    here, there = contents(other), contents(tree)
    assert not {v for k, v in here.items() if k.endswith(".dcm")} & set(there.values())


def test_what_is_there_stays(tree):
    before = {p: p.stat().st_mtime_ns for p in tree.rglob("*")}
    assert write_phantom(tree, preset="tiny", seed=7) == tree
    assert {p: p.stat().st_mtime_ns for p in tree.rglob("*")} == before


@pytest.mark.parametrize("change", [{"seed": 8}, {"subjects": 2}, {"preset": "small"}])
def test_another_set_in_the_way_is_never_overwritten(tree, change):
    before = contents(tree)
    with pytest.raises(DataError, match="phantom"):
        write_phantom(tree, **{"preset": "tiny", "seed": 7, **change})
    assert contents(tree) == before


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "phantom.json").write_text("{")
    with pytest.raises(DataError, match=r"phantom\.json"):
        write_phantom(tmp_path, preset="tiny")


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def stop_at_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(write, "write_subject", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "set", preset="tiny", workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [{"preset": "huge"}, {"subjects": 0}, {"seed": -1}, {"seed": 1.5}, {"workers": 0}],
)
def test_wrong_arguments_are_refused_before_anything_is_written(tmp_path, arguments):
    (name,) = arguments
    with pytest.raises(SettingsError, match=name):
        write_phantom(tmp_path / "set", **{"preset": "tiny", **arguments})
    assert list(tmp_path.iterdir()) == []


def test_more_than_twenty_subjects_get_numbers_of_their_own():
    assert subject_ids(3) == (1, 2, 3)
    assert subject_ids(22)[19:] == (39, 40, 41)


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("GUIDED_ATTENTION_DATA", raising=False)
    assert phantom_folder() == ROOT / "data" / "phantom"
    monkeypatch.setenv("GUIDED_ATTENTION_DATA", str(tmp_path))
    assert phantom_folder() == tmp_path / "phantom"


@pytest.fixture
def script():
    path = ROOT / "data_download" / "phantom.py"
    spec = importlib.util.spec_from_file_location("data_download_phantom", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_writes_once_and_says_so(script, tmp_path, capsys):
    arguments = ["--out", str(tmp_path / "set"), "--preset", "tiny", "--subjects", "1", "--workers", "1"]
    assert script.main(arguments) == 0
    assert "wrote 1 synthetic" in capsys.readouterr().out
    assert script.main(arguments) == 0
    assert "already there" in capsys.readouterr().out
    assert script.main([*arguments, "--seed", "5"]) == 2
    assert "another seed" in capsys.readouterr().err
    assert script.main([*arguments, "--subjects", "0"]) == 2
    assert "subjects" in capsys.readouterr().err
