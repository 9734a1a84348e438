"""What only the neighbours tell: the same patient twice, another modality, left for right."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from guided_attention.cli.main import main
from guided_attention.data import CLASSES, LabelSet, Volume, open_source, volume_digest, write_nifti
from guided_attention.data.portrait import portrait, set_oddities
from guided_attention.errors import DataWarning

#: Rows from the front, columns from the patient's right: liver right, spleen left, a kidney on each side behind them.
PLACES = {1: (2, 1), 2: (10, 2), 3: (10, 11), 4: (2, 11)}


def body(name, seed=0, **organs):
    """An abdomen of four boxes, each with a brightness of its own."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((3, 16, 16), np.uint8)
    for value, (row, column) in PLACES.items():
        labels[:, row : row + 4, column : column + 4] = value
    brightness = np.array([20, 300, 600, 620, 500], np.float32)
    image = brightness[labels] + rng.integers(0, 10, labels.shape).astype(np.float32)
    return replace(Volume(image, labels, (6.0, 1.5, 1.5), name), **organs)


def write(folder, *volumes):
    for volume in volumes:
        write_nifti(volume, folder / f"{volume.subject}_image.nii.gz", what="image")
        write_nifti(volume, folder / f"{volume.subject}_label.nii.gz", what="labels")
    return folder


def odd(*volumes, **known):
    return list(set_oddities({volume.subject: portrait(volume) for volume in volumes}, **known))


OTHERS = [body(name, seed) for seed, name in enumerate("abcde", start=1)]


def exchanged(volume, one, other):
    table = np.arange(5)
    table[[one, other]] = other, one
    return table[volume.labels].astype(np.uint8)


def test_nothing_is_odd_about_subjects_that_are_alike():
    assert odd(*OTHERS) == []


def test_one_image_under_two_names_even_with_other_labels():
    twin = body("z", seed=1)
    twin = twin.with_labels(np.where(twin.labels == 4, 0, twin.labels).astype(np.uint8))
    ((subject, said),) = odd(*OTHERS, twin)
    assert subject == "a"
    assert said.startswith("holds the same image as z.")
    assert "--groups" in said
    assert odd(*OTHERS, twin, groups={"a": "P1", "z": "P1"}) == []
    assert odd(*OTHERS, twin, groups={"a": "P1", "z": "P2"})


def test_two_blank_images_are_not_one_patient():
    blank = [body(name, image=np.zeros((3, 16, 16), np.float32)) for name in "xy"]
    assert odd(*blank) == []


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ((("P1", "1.2"), ("P1", "1.3"), ("P2", "1.4")), "has the PatientID of b"),
        ((("P1", "1.2"), ("P9", "1.2"), ("P2", "1.4")), "is of the same study (StudyInstanceUID) as b"),
        ((("", "1.2"), ("", "1.2"), ("", "1.4")), "is of the same study (StudyInstanceUID) as b"),
        ((("anon", "1.2"), ("anon", "1.3"), ("anon", "1.4")), None),  # an anonymiser's
    ],
)
def test_what_dicom_says_of_the_patient(ids, said):
    portraits = {v.subject: portrait(v, identity) for v, identity in zip(OTHERS, ids, strict=False)}
    found = list(set_oddities(portraits))
    assert [subject for subject, _ in found] == (["a"] if said else [])
    if said:
        assert found[0][1].startswith(said)


def test_labels_exchanged_and_a_mirrored_picture_are_told_apart():
    (_, said), *_ = odd(*OTHERS, body("x", 9, labels=exchanged(OTHERS[0], 2, 3)))
    assert "kidney_right and kidney_left on each other's side: labels exchanged" in said
    scan = body("x", 9)
    mirror = replace(scan, image=scan.image[..., ::-1], labels=scan.labels[..., ::-1])
    ((subject, said),) = odd(*OTHERS, mirror)
    assert subject == "x"
    assert "liver and spleen as well: the picture is mirrored" in said
    alone = exchanged(OTHERS[0], 2, 3)
    alone[alone == 3] = 0  # one kidney only: nobody can say
    assert not any("side" in said for _, said in odd(*OTHERS, body("x", 9, labels=alone)))


@pytest.mark.parametrize("names", [("Left lung", "Right lung"), ("right_lung", "lung_left"), ("lung_L", "lung_R")])
def test_pairs_of_any_names(names):
    """Whichever of the two comes first, and however it is called; a name without a partner says nothing."""
    label_set = LabelSet(("background", *names, "left atrium"))
    volume = body("x")
    right = next(value for value in (1, 2) if "r" in label_set.names[value].lower().replace("lung", "")[:7])
    for exchanged_ in (False, True):
        labels = np.zeros_like(volume.labels)
        labels[:, 4:9, 1:4], labels[:, 4:9, 11:14] = (right, 3 - right)[:: -1 if exchanged_ else 1]
        labels[:, 12:, 11:14] = 3
        said = [text for _, text in odd(volume.with_labels(labels), label_set=label_set)]
        assert len(said) == exchanged_
        assert all(f"has {label_set.names[right]} and {label_set.names[3 - right]} on each other's" in t for t in said)


def test_ct_among_mr_and_never_ct_alone():
    ct = [replace(v, subject=f"ct{v.subject}", image=v.image - 1024) for v in OTHERS[:2]]
    told = dict(odd(*OTHERS, *ct))
    assert told.keys() == {"cta", "ctb"}
    assert "as CT has (Hounsfield units), beside 5 without" in told["cta"]
    assert not odd(*ct)


@pytest.mark.parametrize(("factor", "told"), [(1 / 1000, True), (1 / 8, False), (8, False), (100, True)])
def test_another_scale_is_odd_a_scanner_of_another_make_is_not(factor, told):
    found = odd(*OTHERS, body("x", 9, image=np.float32(factor) * OTHERS[0].image + np.float32(factor)))
    assert [subject for subject, _ in found] == ["x"] * told
    assert all("grey values of another scale" in said for _, said in found)


def test_an_organ_unlike_the_others():
    image = OTHERS[0].image.copy()
    image[OTHERS[0].labels == 4] *= 8
    ((subject, said),) = odd(*OTHERS, body("x", 9, image=image))
    assert subject == "x"
    assert "spleen" in said
    assert "brighter" in said


def test_a_check_tells_and_a_verified_set_tells_once_and_in_short(tmp_path):
    twins = [body(f"t{i}", seed=1) for i in range(3)]
    source = open_source(write(tmp_path, *OTHERS, *twins))
    report = source.check()
    assert report.ok
    assert [warning.subject for warning in report.warnings] == ["a"]
    assert "holds the same image as t0, t1, t2" in str(report)
    with pytest.warns(DataWarning, match="odd about 1 of 8 subjects(.|\n)*a: holds the same image") as told:
        verified = source.verified()
    assert len(told) == 1
    assert verified.verified() is verified


def test_what_reading_says_is_not_said_again_by_a_verified_set(tmp_path, recwarn):
    coronal = [replace(body(n, i), spacing=(1.5, 1.5, 6.0)) for i, n in enumerate("abcdef")]
    source = open_source(write(tmp_path, *coronal))
    source.read("a")
    (said,) = recwarn
    recwarn.clear()
    verified = source.verified()
    (short,) = recwarn
    assert str(said.message).split(": ", 1)[1] in str(short.message)
    assert "a, b, c, d and 2 more: " in str(short.message)  # one line for all that have it
    recwarn.clear()
    verified.read("a")
    assert not recwarn.list


def test_volumes_are_read_when_they_are_asked_for(tmp_path):
    source = open_source(write(tmp_path, *OTHERS))
    volumes = source.volumes(["c", "a"])
    (tmp_path / "c_image.nii.gz").unlink()
    assert len(volumes) == 2
    assert volumes[1].subject == "a"
    with pytest.raises(Exception, match="c_image"):
        volumes[0]


class TestJson:
    def check(self, folder, capsys):
        try:
            main(["data", "check", str(folder), "--json"])
        except SystemExit as stopped:
            return json.loads(capsys.readouterr().out), stopped.code
        return json.loads(capsys.readouterr().out), 0

    def test_of_a_set_with_which_nothing_is_wrong(self, tmp_path, capsys):
        write(tmp_path, *OTHERS, body("z", seed=1))
        (tmp_path / "notes.txt").write_text("?")
        found, status = self.check(tmp_path, capsys)
        assert status == 0
        assert list(found) == ["version", "ok", "errors", "warnings", "ignored", "subjects"]
        assert (found["version"], found["ok"], found["errors"]) == (1, True, [])
        assert [warning["subject"] for warning in found["warnings"]] == ["a"]
        assert found["ignored"] == [{"subject": "", "path": str(tmp_path / "notes.txt"), "message": "holds no volume"}]
        assert list(found["subjects"]) == [*"abcde", "z"]
        first = found["subjects"]["a"]
        assert first["digest"] == volume_digest(open_source(tmp_path).read("a"))
        assert first["image_digest"] == found["subjects"]["z"]["image_digest"]
        assert (first["shape"], first["spacing_mm"]) == ([3, 16, 16], [6.0, 1.5, 1.5])
        assert first["label_voxels"] == {name: 48 for name in CLASSES[1:]} | {"background": 3 * 256 - 4 * 48}
        assert first["grey"]["minimum"] <= first["grey"]["median"] <= first["grey"]["percentile_99"]
        assert first["grey"]["maximum"] == OTHERS[0].image.max()

    def test_of_a_set_with_errors(self, tmp_path, capsys):
        write(tmp_path, *OTHERS)
        (tmp_path / "b_label.nii.gz").write_bytes(b"\x1f\x8bnonsense")
        found, status = self.check(tmp_path, capsys)
        assert (status, found["ok"]) == (1, False)
        assert [(e["subject"], e["path"]) for e in found["errors"]] == [("b", str(tmp_path / "b_label.nii.gz"))]
        assert "b" not in found["subjects"]

    def test_of_no_set_at_all(self, tmp_path, capsys):
        found, status = self.check(tmp_path / "nothing", capsys)
        assert (status, found["ok"], found["subjects"]) == (1, False, {})
        assert "is not a folder" in found["errors"][0]["message"]
