"""A folder is recognised, or the error says what would have been."""

from __future__ import annotations

import numpy as np
import pytest

from data_factory import Scan, write_scan
from guided_attention.data import Volume, open_source, write_nifti
from guided_attention.errors import DataError, SettingsError


@pytest.fixture
def tree(tmp_path):
    for name in ("10", "2", "1"):
        write_scan(tmp_path / "set" / "Train_Sets" / "MR" / name, Scan(seed=int(name)))
    return tmp_path / "set"


def write_pair(image, label, seed=0):
    rng = np.random.default_rng(seed)
    volume = Volume(rng.random((3, 4, 5), np.float32), rng.integers(0, 5, (3, 4, 5), np.uint8), (5, 1, 1), "x")
    if image is not None:
        write_nifti(volume, image, "image")
    if label is not None:
        write_nifti(volume, label)
    return volume


@pytest.mark.parametrize("inside", ["", "Train_Sets", "Train_Sets/MR"])
def test_a_chaos_tree_is_found_from_any_level(tree, inside):
    source = open_source(tree / inside)
    assert (source.name, source.kind, source.path) == ("chaos-t1dual-in", "chaos", tree / inside)
    assert source.subjects == ("1", "2", "10")
    np.testing.assert_array_equal(source.read("2").image, Scan(seed=2).images["InPhase"])


@pytest.mark.parametrize("inside", ["", "Train_Sets", "Train_Sets/MR"])
def test_a_phantom_says_so(tree, inside):
    (tree / "phantom.json").write_text("{}")
    source = open_source(str(tree / inside))
    assert (source.name, source.kind) == ("phantom-t1dual-in", "phantom")


def test_names_tell_sequence_and_phase(tree):
    assert open_source(tree, phase="out").name == "chaos-t1dual-out"
    assert open_source(tree, "T2SPIR").name == open_source(tree, "T2SPIR", "out").name == "chaos-t2spir"
    np.testing.assert_array_equal(open_source(tree, "T2SPIR").read("1").image, Scan(seed=1).images["T2"])


def test_nifti_pairs(tmp_path):
    truth = {
        n: write_pair(tmp_path / f"{n}_image.nii.gz", tmp_path / f"{n}_label.nii.gz", i)
        for i, n in enumerate(["s10", "s9"])
    }
    source = open_source(tmp_path)
    assert (source.name, source.kind) == (f"nifti-{tmp_path.name}", "nifti")
    assert source.subjects == ("s9", "s10")
    for name, volume in truth.items():
        read = source.read(name)
        np.testing.assert_array_equal(read.image, volume.image)
        np.testing.assert_array_equal(read.labels, volume.labels)
        assert read.subject == name
    assert source.check().ok


def test_the_layout_of_nnunet(tmp_path):
    volume = write_pair(tmp_path / "imagesTr" / "amos_0004_0000.nii.gz", tmp_path / "labelsTr" / "amos_0004.nii.gz")
    source = open_source(tmp_path)
    assert source.subjects == ("amos_0004",)
    np.testing.assert_array_equal(source.read("amos_0004").labels, volume.labels)


def test_a_label_without_an_image_and_the_other_way_round(tmp_path):
    write_pair(tmp_path / "a_image.nii.gz", None)
    write_pair(None, tmp_path / "b_label.nii.gz")
    write_pair(tmp_path / "c_image.nii.gz", tmp_path / "c_label.nii.gz")
    source = open_source(tmp_path)
    problems = {p.subject: str(p) for p in source.check().problems}
    assert problems == {
        "a": f"{tmp_path / 'a_image.nii.gz'}: has no label file beside it",
        "b": f"{tmp_path / 'b_label.nii.gz'}: is a label without an image",
    }
    assert source.read("a").labels is None
    with pytest.raises(DataError, match=r"b_label\.nii\.gz: is a label without an image"):
        source.read("b")


@pytest.mark.parametrize("sets", [("T1_image.nii.gz", "T1_image.nii")])
def test_one_subject_in_two_files_is_refused(tmp_path, sets):
    for name in sets:
        write_pair(tmp_path / name, None)
    with pytest.raises(DataError, match=r"T1_image\.nii.*T1_image\.nii\.gz.*same subject"):
        open_source(tmp_path)


def test_errors_say_what_was_expected(tmp_path, tree):
    with pytest.raises(DataError, match=r"nothing: is not a folder; expected either CHAOS's layout"):
        open_source(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: found no subjects; expected either CHAOS's layout.*imagesTr"):
        open_source(tmp_path / "empty")
    with pytest.raises(SettingsError, match="phase='x' is unknown"):
        open_source(tree, phase="x")
    with pytest.raises(SettingsError, match=r"subject='3' is not in .*choose one of 1, 2, 10"):
        open_source(tree).read("3")
