"""Label files of any tool are scored as they are, and nobody is left out in silence."""

import csv
import json
import re

import nibabel as nib
import numpy as np
import pytest

from guided_attention.cli.main import main
from guided_attention.data import ORGANS, Volume, write_nifti
from guided_attention.evaluation.overlap import (
    dice,
    hausdorff_distance_95,
    mean_surface_distance,
    normalised_surface_dice,
    volume_similarity,
)

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
    message = fails(capsys, found, wanted)
    assert f"{found / 'a.nii.gz'}: expected the matrix and place of {wanted / 'a.nii.gz'}" in message
    assert "(4, 16, 16) of 6 x 1.5 x 1.5 mm" in message


def test_a_mask_in_another_place_is_refused_and_one_stored_in_another_order_is_not(tmp_path, capsys):
    """Tools rewrite headers: some lose the place, some only turn the axes, which changes nothing in the world."""
    wanted, turned, lost = write(tmp_path / "r", ".nii.gz"), tmp_path / "turned", tmp_path / "lost"
    for folder in (turned, lost):
        folder.mkdir()
    for path in wanted.iterdir():
        image = nib.load(path)
        nib.save(nib.as_closest_canonical(image), turned / path.name)
        moved = image.affine.copy()
        moved[0, 3] += 3
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved, image.header), lost / path.name)
    assert nib.aff2axcodes(nib.load(turned / "a.nii.gz").affine) != nib.aff2axcodes(
        nib.load(wanted / "a.nii.gz").affine
    )
    assert re.search(r"^mean +1\.000 ± 0\.000", run(capsys, turned, wanted), re.MULTILINE)
    assert "with a corner 3 mm elsewhere" in fails(capsys, lost, wanted)


def test_beside_images_only_what_is_called_a_label_is_one(tmp_path, capsys):
    """A data set holds files of no role, too; `data check` lists them as ignored."""
    found = write(tmp_path / "p", ".nii.gz")
    wanted = write(write(tmp_path / "r", "_label.nii.gz"), "_image.nii.gz")
    write(wanted, ".nii.gz", names=("stray",))
    assert scored_subjects(run(capsys, found, wanted)) == set(NAMES)


def scored_subjects(printed):
    return {line.split()[0] for line in printed.splitlines() if line.split()[1:2] == ["liver"]}


def test_what_is_missing_is_named_on_both_sides(tmp_path, capsys):
    found, wanted = write(tmp_path / "p", ".nii.gz", names=("a", "z")), write(tmp_path / "r", ".nii.gz")
    message = fails(capsys, found, wanted, "--subjects", "a", "c10", "z")
    assert f"{wanted}: no label file of z; there are those of a, b, c10" in message
    assert f"{found}: no label file of c10; there are those of a, z" in message


def test_two_files_need_no_common_name(tmp_path, capsys):
    found, wanted = write(tmp_path / "p", ".nii.gz"), write(tmp_path / "r", "_gt.nii.gz")
    printed = run(capsys, found / "a.nii.gz", wanted / "b_gt.nii.gz")
    reference, prediction = labels(1) == 1, labels(0) == 1
    assert re.search(rf"^b +liver +{dice(prediction, reference):.3f} ", printed, re.MULTILINE)


@pytest.mark.parametrize("tolerance", [0.0, 1.25, 2.5])
def test_the_table_says_nsd_and_hd95_and_at_which_tolerance(tmp_path, capsys, tolerance):
    found, wanted = write(tmp_path / "p", ".nii.gz", shift=1), write(tmp_path / "r", ".nii.gz")
    printed = run(capsys, found, wanted, "--tolerance", tolerance, "--out", tmp_path / "s.json")
    assert f"nsd: at a tolerance of {tolerance:g} mm" in printed
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["nsd_tolerance_mm"] == tolerance
    values = []
    for number, score in enumerate(content["scores"]):
        reference = labels(number) == 1
        pair = np.roll(reference, 1, axis=2), reference
        liver = score["organs"][0]
        assert liver["nsd"] == pytest.approx(normalised_surface_dice(*pair, tolerance, SPACING))
        assert liver["hd95_mm"] == pytest.approx(hausdorff_distance_95(*pair, SPACING))
        values.append(liver["nsd"])
    header, line = (re.search(rf"^{name} .*$", printed, re.MULTILINE)[0] for name in ("organ", "liver"))
    cells = line.replace("±", " ").split()[1:-1]
    assert header.split()[1:-1] == ["dsc", "vs", "msd_mm", "nsd", "hd95_mm"]
    assert [float(c) for c in cells[6:8]] == pytest.approx([np.mean(values), np.std(values, ddof=1)], abs=6e-4)


def test_a_table_for_spreadsheets(tmp_path, capsys):
    found, wanted = write(tmp_path / "p", ".nii.gz", shift=1), write(tmp_path / "r", ".nii.gz")
    run(capsys, found, wanted, "--out", tmp_path / "s.csv", "--tolerance", 1)
    with (tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["subject"], row["organ"]) for row in rows] == [(name, organ) for name in NAMES for organ in ORGANS]
    reference = labels(0) == 1
    assert float(rows[0]["dsc"]) == pytest.approx(dice(np.roll(reference, 1, axis=2), reference))
    assert {row["nsd_tolerance_mm"] for row in rows} == {"1.0"}
    assert (rows[1]["presence"], rows[1]["dsc"], rows[1]["hd95_mm"]) == ("neither", "", "")


def test_a_tolerance_below_nought(tmp_path, capsys):
    wanted = write(tmp_path / "r", ".nii.gz")
    assert "tolerance=-1.0 must be 0 or more" in fails(capsys, wanted, wanted, "--tolerance", -1)


def test_two_files_of_one_subject(tmp_path, capsys):
    found = write(write(tmp_path / "p", ".nii.gz"), "_seg.nii.gz")
    assert "expected one label file of 'a', found two" in fails(capsys, found, write(tmp_path / "r", ".nii.gz"))


@pytest.mark.parametrize("missing", [True, False])
def test_no_masks(tmp_path, capsys, missing):
    wanted = write(tmp_path / "r", ".nii.gz")
    empty = tmp_path / "nothing"
    if not missing:
        write(empty, "_image.nii.gz")
    expected = "is not a folder" if missing else "expected label files"
    assert expected in fails(capsys, empty, wanted)
    assert expected in fails(capsys, wanted, empty)
