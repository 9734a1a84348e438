"""Splits of one's own, and one patient's scans on one side."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_factory import Scan, write_scan
from guided_attention.cli.main import main
from guided_attention.data import CHAOS_FOLDS, CHAOS_SUBJECTS, Volume, make_folds, open_source, write_nifti
from guided_attention.data.patients import dicom_identity, look_alike, read_groups
from guided_attention.data.splits import folds_of, patients_of, read_splits, with_splits
from guided_attention.errors import DataError, SettingsError

NAMES = ("a1", "a2", "b", "c", "d", "e", "f", "g")
PATIENTS = {"a1": "A", "a2": "A", "b": "B"}


def parts(fold):
    return fold.train, fold.validation, fold.test


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def split(tmp_path, content, patients=None):
    return read_splits(written(tmp_path / "s.json", content), NAMES, patients)


class TestDrawnByPatient:
    @settings(deadline=None, max_examples=60)
    @given(sizes=st.lists(st.integers(1, 4), min_size=3, max_size=25), seed=st.integers(0, 3))
    def test_nobody_is_on_two_sides(self, sizes, seed):
        whose = {f"p{p}s{s}": f"patient {p}" for p, size in enumerate(sizes) for s in range(size)}
        for fold in make_folds(whose, seed=seed, patients=whose):
            sides = [{whose[name] for name in part} for part in parts(fold)]
            assert sum(map(len, sides)) == len(set().union(*sides)) == len(sizes)
            assert sorted(name for part in parts(fold) for name in part) == sorted(whose)
            assert abs(len(sides[2]) - len(sizes) / 4) <= 1
            assert abs(len(sides[1]) - len(sizes) / 10) <= 1

    def test_who_has_one_scan_is_drawn_as_before(self):
        own = {name: f"patient of {name}" for name in CHAOS_SUBJECTS}
        assert make_folds(CHAOS_SUBJECTS, patients=own) == CHAOS_FOLDS

    def test_too_few_patients(self):
        with pytest.raises(SettingsError, match="found 4 scans of 2 patients"):
            make_folds("abcd", patients={"a": "1", "b": "1", "c": "1"})


class TestGroups:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("g.csv", "a1,A\na2,A\nb,B\n"),
            ("g.csv", "\ufeffsubject;patient\r\na1;A\r\na2;A\r\n\r\nb;B\r\n"),
            ("g.tsv", "scan\tpatient\na1\tA\na2\tA\nb\tB"),
            ("g.json", '{"a1": "A", "a2": "A", "b": "B"}'),
            ("g.json", '{"A": ["a1", "a2"], "B": ["b"]}'),
        ],
    )
    def test_forms(self, tmp_path, name, content):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert read_groups(tmp_path / name, NAMES) == PATIENTS

    @pytest.mark.parametrize(
        ("name", "content", "error", "said"),
        [
            ("g.csv", "a1,A\nzz,A\nyy,B", SettingsError, "names yy, zz, which the data set does not have"),
            ("g.csv", "a1,A\na1,B", SettingsError, "'a1' is given to two patients, A and B"),
            ("g.csv", "a1,A,x", DataError, "a line is 'a1,A,x'"),
            ("g.csv", "a1\na2", DataError, "a line is 'a1'"),
            ("g.csv", "", DataError, "there is no line"),
            ("g.json", "[1]", DataError, "it holds a list"),
            ("g.json", '{"a1": {}}', DataError, "'a1' has {}"),
            ("g.json", "{", DataError, "expected a table of two columns"),
        ],
    )
    def test_what_cannot_be_followed_is_named(self, tmp_path, name, content, error, said):
        with pytest.raises(error, match=r"g\.(csv|json): ") as raised:
            read_groups(written(tmp_path / name, content), NAMES)
        assert said in str(raised.value)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(DataError, match=r"none\.csv: cannot be read \(No such file"):
            read_groups(tmp_path / "none.csv", NAMES)


class TestDicom:
    def tree(self, folder, ids):
        for number, (name, patient) in enumerate(ids.items()):
            write_scan(folder / name, Scan(seed=number), sequences=("T2SPIR",))
            for file in (folder / name).rglob("*.dcm"):
                data = pydicom.dcmread(file)
                data.PatientID, data.StudyInstanceUID = patient, f"1.2.{number}"
                data.save_as(file)
        return open_source(folder, "T2SPIR")

    def test_a_patient_id_keeps_scans_together(self, tmp_path):
        source = self.tree(tmp_path, {f"s{i}": f"P{i // 2}" for i in range(10)})
        assert patients_of(source) == {f"s{i}": f"P{i // 2}" for i in range(10)}
        for fold in folds_of(source):
            sides = [{int(name[1:]) // 2 for name in part} for part in parts(fold)]
            assert sum(map(len, sides)) == 5
        assert patients_of(replace(source, groups={"s0": "X", "s2": "X"})) == {"s0": "X", "s2": "X"}

    def test_an_anonymisers_id_says_nothing(self, tmp_path):
        source = self.tree(tmp_path, dict.fromkeys(("s1", "s2", "s3"), "ANON"))
        assert patients_of(source) == {}
        assert folds_of(source) == make_folds(("s1", "s2", "s3"))

    def test_files_that_are_no_dicom(self, tmp_path):
        (tmp_path / "a.nii.gz").write_bytes(b"\x1f\x8b")
        (tmp_path / "empty").mkdir()
        assert dicom_identity(tmp_path / "a.nii.gz") == dicom_identity(tmp_path) == ("", "")
        assert dicom_identity(tmp_path / "empty") == ("", "")


def test_names_that_look_like_visits():
    visits = ("P01_pre", "P01_post", "sub-2_ses-1", "sub-2_ses-2", "x20200101", "y_2020-01-31", "y_2021-01-31", "P3V1")
    whose = {"P01_pre": "P01", "P01_post": "P01", "sub-2_ses-1": "sub-2", "sub-2_ses-2": "sub-2"}
    assert look_alike(visits) == whose | {"y_2020-01-31": "y", "y_2021-01-31": "y"}
    assert look_alike([*(f"subject_{i:02d}" for i in range(9)), "amos_0004", "amos_0005", "1", "2", "s1", "s2"]) == {}
    assert look_alike(["mr_t1", "mr_t2", "mr_t3"]) == {}  # the name of the study, not of a patient


class TestSplits:
    def test_our_own_form(self, tmp_path):
        one = {"train": ["c", "d", "b"], "validation": ["e"], "test": ["f", "a1"]}
        for content in ([one], {"folds": [one]}, one, [{**one, "index": 0, "seed": 5}]):
            (fold,) = split(tmp_path, content)
            assert parts(fold) == (("b", "c", "d"), ("e",), ("a1", "f"))
            assert (fold.index, fold.seed) == (0, None)

    def test_the_published_file_itself(self, tmp_path):
        from importlib.resources import files

        path = written(tmp_path / "p.json", (files("guided_attention.data") / "folds.json").read_text())
        found = read_splits(path, CHAOS_SUBJECTS)
        assert [parts(fold) for fold in found] == [parts(fold) for fold in CHAOS_FOLDS]

    def test_nnunets_form_tests_its_val_and_draws_a_validation(self, tmp_path):
        """The epoch is chosen in validation, so nobody may validate and test."""
        folds = [{"train": [*NAMES[2:]], "val": ["a1", "a2"]}, {"train": [*NAMES[:6]], "val": ["f", "g"]}]
        found = split(tmp_path, folds, PATIENTS)
        assert [fold.test for fold in found] == [("a1", "a2"), ("f", "g")]
        for fold, given_ in zip(found, folds, strict=True):
            assert len(fold.validation) == 1
            assert sorted(fold.train + fold.validation) == sorted(given_["train"])
        assert split(tmp_path, [{"train": [*NAMES[2:]][::-1], "val": ["a2", "a1"]}], PATIENTS) == found[:1]

    @pytest.mark.parametrize("index", range(12))
    def test_a_drawn_validation_takes_all_scans_of_a_patient(self, tmp_path, index):
        names = tuple(f"p{p}x{index}s{s}" for p in range(3) for s in range(2))
        path = written(tmp_path / "s.json", {"train": names[:4], "val": names[4:]})
        (fold,) = read_splits(path, names, {name: name.split("x")[0] for name in names})
        assert len(fold.validation) == len({name.split("x")[0] for name in fold.train} ^ {"p0", "p1"}) * 2 == 2

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ({"train": ["b", "zz"], "validation": ["c"], "test": ["d", "yy"]}, "the data set has no zz, yy"),
            ({"train": ["b", "b"], "validation": ["c"], "test": ["d"]}, "more than once: b"),
            ({"train": ["b", "c"], "validation": ["c"], "test": ["d", "b"]}, "more than once: b, c"),
            ({"train": ["b", "a1"], "validation": ["c"], "test": ["a2"]}, "patient A is on several sides: a1, a2"),
            ({"train": [], "validation": ["c"], "test": []}, "nobody is in train and test"),
            ({"train": ["b"], "val": ["c"]}, "two patients or more to train"),
        ],
    )
    def test_who_cannot_be_there_is_named(self, tmp_path, content, said):
        with pytest.raises(SettingsError, match=r"s\.json, fold 0: ") as raised:
            split(tmp_path, [content], PATIENTS)
        assert said in str(raised.value)

    @pytest.mark.parametrize(
        "content",
        [
            [],
            "[1",
            {"folds": {}},
            ["a"],
            [{"train": ["a1"]}],
            [{"train": ["a1", "b"], "validation": ["c"]}],  # and who tests?
            [{"train": ["a1"], "val": ["b"], "validation": ["c"]}],
            [{"Train": ["a1"], "Test": ["b"]}],
        ],
    )
    def test_another_form_is_refused(self, tmp_path, content):
        with pytest.raises(DataError, match=r's\.json(.|\n)*nnU-Net\'s \{"train"'):
            split(tmp_path, content)

    def test_a_part_that_is_no_list_is_named(self, tmp_path):
        with pytest.raises(DataError, match=r"fold 0: expected a list of subjects' names under 'train'"):
            split(tmp_path, [{"train": "ab", "test": ["c"]}])


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path):
        for name in ("P1_pre", "P1_post", "x", "y", "z"):
            volume = Volume(np.ones((2, 4, 4), np.float32), np.zeros((2, 4, 4), np.uint8), (5, 1, 1), name)
            write_nifti(volume, tmp_path / "set" / f"{name}_image.nii.gz", "image")
            write_nifti(volume, tmp_path / "set" / f"{name}_label.nii.gz")
        return tmp_path / "set"

    def test_folds_say_who_is_where(self, folder, tmp_path, capsys):
        main(["data", "folds", str(folder)])
        assert "look like several scans of one patient: P1_post P1_pre." in capsys.readouterr().out
        table = written(tmp_path / "g.csv", "P1_pre,P1\nP1_post,P1\n")
        main(["data", "folds", str(folder), "--groups", str(table)])
        printed = capsys.readouterr().out
        assert "one patient, P1: P1_pre P1_post" in printed
        assert "look like" not in printed
        mine = written(tmp_path / "s.json", {"train": ["x"], "validation": ["y"], "test": ["P1_pre", "P1_post"]})
        main(["data", "folds", str(folder), "--groups", str(table), "--splits", str(mine)])
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert lines[:4] == [["fold", "0", "(as", "given)"], ["train", "x"], ["validation", "y"],
                             ["test", "P1_post", "P1_pre"]]  # fmt: skip

    def test_a_data_set_keeps_its_splits(self, folder, tmp_path):
        mine = written(tmp_path / "s.json", [{"train": ["x"], "validation": ["y"], "test": ["z"]}])
        source = with_splits(open_source(folder), mine, None)
        assert parts(folds_of(source)[0]) == (("x",), ("y",), ("z",))
        assert source.subjects == ("P1_post", "P1_pre", "x", "y", "z")
