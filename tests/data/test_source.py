"""A folder is recognised, or the error says what would have been."""

from __future__ import annotations

import re

import nibabel as nib
import numpy as np
import pytest

from data_factory import Scan, write_scan
from guided_attention.data import InputSettings, Volume, open_source, write_nifti
from guided_attention.data.layout import SubjectFiles, find_images
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


def test_a_file_beside_the_subjects_is_accounted_for(tree):
    (tree / "Train_Sets/MR/11.zip").write_bytes(b"?")
    (tree / "Train_Sets/MR/phantom.json").write_text("{}")
    (ignored,) = open_source(tree).check().ignored
    assert str(ignored) == f"{tree / 'Train_Sets/MR/11.zip'}: is a file beside the subjects' folders"


def blank(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.full((5, 4, 3), value, np.uint8), np.diag([-1, -1, 5, 1])), path)


def test_an_ending_in_capitals_is_the_same_ending(tmp_path):
    volume = write_pair(tmp_path / "a_image.nii.gz", tmp_path / "a_label.nii.gz")
    (tmp_path / "a_image.nii.gz").rename(tmp_path / "a_IMAGE.NII.GZ")
    (tmp_path / "a_label.nii.gz").rename(tmp_path / "a_Label.Nii.gz")
    source = open_source(tmp_path)
    assert source.subjects == ("a",)
    np.testing.assert_array_equal(source.read("a").image, volume.image)
    np.testing.assert_array_equal(source.read("a").labels, volume.labels)
    report = source.check()
    assert (report.ok, report.ignored) == (True, ())


@pytest.mark.parametrize("layout", ["flat", "nnunet"])
def test_a_check_accounts_for_every_file(tmp_path, layout):
    """Read, wrong or ignored with a reason: together these are all files that are not hidden."""
    flat = layout == "flat"
    images, labels = (tmp_path, tmp_path) if flat else (tmp_path / "imagesTr", tmp_path / "labelsTr")
    image, label = images / ("a_image.nii.gz" if flat else "a_0000.nii.gz"), labels / f"a{'_label' * flat}.nii.gz"
    write_pair(image, label)
    others = {"b_image.mgz": "FreeSurfer", "c.raw": "without their header", "d_image.hdr": "Analyze"}
    others |= {"g.nrrd.gz": "packed", "README.md": "no volume"}
    others |= {"e.xyz": r"neither \.nii nor", "f_image.nii.bz2": "packed"}
    for name in (*others, ".DS_Store"):
        (images / name).write_bytes(b"?")
    (images / "more").mkdir()
    others["more"] = "is a folder"
    report = open_source(tmp_path).check()
    assert report.ok
    assert {p.path.name for p in report.ignored} == set(others)
    for other in report.ignored:
        assert re.search(others[other.path.name], other.message), other
        assert str(other.path) in str(report)
    assert not open_source(tmp_path).check(["a"]).ignored


def test_files_of_no_role_are_ignored_by_name(tmp_path):
    write_pair(tmp_path / "flat/a_image.nii.gz", tmp_path / "flat/a_label.nii.gz")
    blank(tmp_path / "flat/b.nii.gz")
    (ignored,) = open_source(tmp_path / "flat").check().ignored
    assert ignored.path.name == "b.nii.gz"
    assert "neither called SUBJECT_image nor SUBJECT_label" in ignored.message
    folder = tmp_path / "nnunet"
    write_pair(folder / "imagesTr/a_0000.nii.gz", folder / "labelsTr/a.nii.gz")
    (folder / "imagesTs").mkdir()
    source = open_source(folder)
    assert source.subjects == ("a",)
    assert [p.path.name for p in source.check().ignored] == ["imagesTs"]


def test_a_folder_of_other_formats_says_what_is_there(tmp_path):
    (tmp_path / "a_image.mgz").write_bytes(b"?")
    with pytest.raises(DataError, match=r"found no subjects(.|\n)*a_image\.mgz: is FreeSurfer"):
        open_source(tmp_path)


def test_what_a_network_can_be_given_of_a_path(tmp_path, tree):
    names = ("a_image.nii.gz", "b.NII", "c_0000.nii.gz", "a_label.nii.gz")
    for name in names:
        blank(tmp_path / "mixed" / name.lower())
    (tmp_path / "mixed/b.nii").rename(tmp_path / "mixed/b.NII")
    images, ignored = find_images(tmp_path / "mixed")
    assert [p.first.name for p in images] == sorted(names[:3])
    assert [str(p.path.name) for p in ignored] == ["a_label.nii.gz"]
    for name in ("a_0000", "a_0001", "b_0000"):
        blank(tmp_path / "imagesTs" / f"{name}.nii.gz")
    images, ignored = find_images(tmp_path / "imagesTs")
    assert [[p.name for p in files.images] for files in images] == [
        ["a_0000.nii.gz", "a_0001.nii.gz"],
        ["b_0000.nii.gz"],
    ]
    assert not ignored
    root = tree / "Train_Sets" / "MR"
    assert find_images(root / "2") == ([SubjectFiles((root / "2",))], [])
    assert {files.name for files in find_images(tree)[0]} == {"1", "2", "10"}
    file = tmp_path / "missing.nii.gz"
    assert find_images(file) == ([SubjectFiles((file,))], [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found no images"):
        find_images(tmp_path / "empty")


def test_a_check_warns_of_what_can_be_read_but_is_odd(tmp_path):
    rng, shape = np.random.default_rng(0), (3, 300, 300)
    image, labels = rng.random(shape, np.float32), np.zeros(shape, np.uint8)
    labels[:, 100:110, 0:44] = 1  # a crop to 256 keeps columns 22 to 277: half of the liver
    labels[:, 100:110, 150:160] = 4
    gap = image.copy()
    gap[1] = 5
    padded = image.copy()
    padded[2] = 0
    bare = labels.copy()
    bare[2] = 0
    whole = labels * (labels == 4).astype(np.uint8)
    cases = {
        "blank": (np.full(shape, 7, np.float32), whole, "the image is blank: every voxel is 7"),
        "gap": (gap, whole, r"organs are labelled in blank slices \(\[1\]"),
        "padded": (padded, bare * (bare == 4).astype(np.uint8), None),
        "empty": (image, np.zeros(shape, np.uint8), "no organ, only background"),
        "cropped": (image, labels, r"300 x 300 pixels to 256 x 256 cuts off 41% .*\(liver 50%\)"),
        "right": (image, whole, None),
    }
    for number, (name, (grey, classes, _)) in enumerate(cases.items()):
        grey = np.where(grey == grey.flat[0], grey, grey + np.float32(number))  # nobody's image is another's
        volume = Volume(grey, classes, (5, 1, 1), name)
        write_nifti(volume, tmp_path / f"{name}_image.nii", "image")
        write_nifti(volume, tmp_path / f"{name}_label.nii")
    report = open_source(tmp_path).check()
    assert report.ok
    report.raise_if_bad()
    told = {p.subject: p.message for p in report.warnings}
    assert len(told) == len(report.warnings)
    assert told.keys() == {name for name, (_, _, message) in cases.items() if message}
    for name, message in told.items():
        assert re.search(cases[name][2], message), message
    assert "6 subjects read completely, nothing wrong.\n4 warnings in 4 of 6 subjects" in str(report)
    resampled = open_source(tmp_path).check(["cropped"], inputs=InputSettings(how="resample"))
    assert not resampled.warnings
