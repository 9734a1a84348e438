"""Label files of any tool are scored as they are, and nobody is left out in silence."""

import json
import re

import numpy as np
import pytest

from guided_attention.cli.main import main
from guided_attention.data import Volume, write_nifti
from guided_attention.evaluation.overlap import dice, mean_surface_distance, volume_similarity

NAMES = ("a", "b", "c10")
SPACING = (6.0, 1.5, 1.25)


def labels(seed):
    found = np.zeros((4, 16, 16), np.uint8)
    found[1:3, 2:8, 2 + seed : 9] = 1
    found[0:3, 10:14, 3:7] = 4
    return found


def write(folder, ending, shift=0, names=NAMES, spacing=SPACING):
    for number, name in enumerate(names):
        made = np.roll(labels(number), shift, axis=2)
        write_nifti(Volume(made.astype(np.float32), made, spacing, name), folder / f"{name}{ending}", what="labels")
    return folder


def run(capsys, *arguments):
    main(["score", *map(str, arguments), "--no-progress"])
    return capsys.readouterr().out


def fails(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["score", *map(str, arguments), "--no-progress"])
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_scores_are_those_of_the_masks(tmp_path, capsys):
    found, wanted = write(tmp_path / "p", ".nii.gz", shift=1), write(tmp_path / "r", "_label.nii.gz")
    printed = run(capsys, found, wanted, "--out", tmp_path / "s.json")
    assert "1 liver, 2 kidney_right, 3 kidney_left, 4 spleen" in printed
    scores = json.loads((tmp_path / "s.json").read_text())["scores"]
    assert [score["subject"] for score in scores] == list(NAMES)
    for number, score in enumerate(scores):
        liver, *kidneys, _ = score["organs"]
        reference = labels(number) == 1
        prediction = np.roll(reference, 1, axis=2)
        assert liver["dsc"] == pytest.approx(dice(prediction, reference))
        assert liver["vs"] == pytest.approx(volume_similarity(prediction, reference))
        assert liver["msd_mm"] == pytest.approx(mean_surface_distance(prediction, reference, SPACING))
        assert [kidney["dsc"] for kidney in kidneys] == [None, None]  # in neither


@pytest.mark.parametrize("ending", ["_prediction.nii.gz", "_seg.nii", "_mask.nii.gz", ".nii", "_label.nii.gz"])
def test_equal_masks_are_perfect_whatever_tool_named_them(tmp_path, capsys, ending):
    """The references are a data set with its images, in either of its layouts."""
    found = write(tmp_path / "p", ending)
    plain = write(write(tmp_path / "r", "_label.nii.gz"), "_image.nii.gz")
    nnunet = write(tmp_path / "n" / "labelsTr", ".nii.gz").parent
    write(nnunet / "imagesTr", "_0000.nii.gz")
    for wanted in (plain, nnunet):
        printed = run(capsys, found, wanted)
        assert re.search(r"^mean +1\.000 ± 0\.000", printed, re.MULTILINE)
        assert "without a reference" not in printed
    main(["evaluate", str(found), "--data", str(plain), "--no-progress"])
    assert re.search(r"^mean +1\.000 ± 0\.000", capsys.readouterr().out, re.MULTILINE)


def test_a_missing_prediction_is_an_error_unless_subjects_are_named(tmp_path, capsys):
    found, wanted = write(tmp_path / "p", ".nii.gz", names=("a", "c10", "z")), write(tmp_path / "r", ".nii.gz")
    message = fails(capsys, found, wanted)
    assert f"{found}: no label file of b; there are those of a, c10, z" in message
    printed = run(capsys, found, wanted, "--subjects", "a", "c10")
    assert "without a reference, not scored: z" in printed
    assert {line.split()[0] for line in printed.splitlines() if " liver " in line} - {"label"} == {"a", "c10"}


def test_another_grid_is_refused(tmp_path, capsys):
    found, wanted = write(tmp_path / "p", ".nii.gz", spacing=(6.0, 1.5, 1.5)), write(tmp_path / "r", ".nii.gz")
    assert "a.nii.gz" in fails(capsys, found, wanted)


def test_two_files_of_one_subject(tmp_path, capsys):
    found = write(write(tmp_path / "p", ".nii.gz"), "_seg.nii.gz")
    assert "expected one label file of 'a', found two" in fails(capsys, found, write(tmp_path / "r", ".nii.gz"))


@pytest.mark.parametrize("missing", [True, False])
def test_no_masks(tmp_path, capsys, missing):
    wanted = write(tmp_path / "r", ".nii.gz")
    empty = tmp_path / "nothing"
    if not missing:
        write(empty, "_image.nii.gz")
    expected = "is not a folder" if missing else "expected NIfTI labels"
    assert expected in fails(capsys, empty, wanted)
    assert expected in fails(capsys, wanted, empty)
