"""The command line, from a synthetic scan to a record, a table and a label file; and every way to use it wrongly."""

import json
import shutil
import weakref

import nibabel as nib
import numpy as np
import pytest

from guided_attention.cli.main import main
from guided_attention.data import folds_for, open_source, read_nifti, write_nifti, write_phantom
from guided_attention.errors import SettingsError
from guided_attention.evaluation.scores import evaluate_subject
from guided_attention.experiments.label_volumes import masks_path, read_masks
from guided_attention.experiments.record import read_record


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Four tiny synthetic subjects in CHAOS's layout."""
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", subjects=4, preset="tiny", workers=2)


@pytest.fixture(scope="module")
def run(scans, tmp_path_factory):
    """A network trained for one epoch by the command line."""
    out = tmp_path_factory.mktemp("runs") / "run"
    train(scans, out, results=out.parent / "results")
    return out


def train(data, out, **extra):
    options = {"model": "pam", "preset": "quick", "data": data, "out": out, "epochs": 1, "accelerator": "cpu", **extra}
    main(["train", "--no-progress", *(str(part) for name, value in options.items() for part in (f"--{name}", value))])


def fails(capsys, *arguments):
    """Run a command that must fail: status 2 and one message, no traceback. Returns the message."""
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "Traceback" not in message
    return message


def scored(printed, mark=""):
    """The subjects of a printed table, or those whose lines hold a mark."""
    return {line.split()[0] for line in printed.splitlines() if mark in line and line.split()[1:2] == ["liver"]}


class TestTrain:
    def test_writes_a_record_that_says_everything(self, run, scans):
        record = read_record(run / "record.json")
        assert (record.dataset.name, record.dataset.synthetic) == ("phantom-t1dual-in", True)
        assert record.dataset.sequence == "T1-DUAL in-phase"
        assert (record.model.name, record.preset, record.quick, record.seed) == ("pam", "quick-epochs1", True, 0)
        split = record.split
        everybody = {*split.train, *split.validation, *split.test}
        assert everybody == set(open_source(scans).subjects)
        assert {score.subject for score in record.scores} == set(split.test)
        assert len(record.curve) == 1
        assert record.cost.training_seconds > 0
        assert record.provenance.threads >= 1

    def test_also_writes_it_where_results_are_kept(self, run):
        kept = run.parent / "results" / "phantom-t1dual-in" / "pam" / "fold0-seed0.json"
        assert kept.read_bytes() == (run / "record.json").read_bytes()

    def test_masks_of_synthetic_data_lie_beside_their_record_and_give_its_scores(self, run, scans):
        kept = run.parent / "results" / "phantom-t1dual-in" / "pam" / "fold0-seed0.json"
        record, masks, source = read_record(kept), read_masks(masks_path(kept)), open_source(scans)
        assert set(masks) == set(record.split.test)
        for score in record.scores:
            reference = source.read(score.subject)
            again = evaluate_subject(reference.with_labels(masks[score.subject]), reference)
            assert again.organs == pytest.approx(score.organs, nan_ok=True)
            assert sum(score.reliability.count) == ((masks[score.subject] > 0) | (reference.labels > 0)).sum()

    def test_masks_of_patients_stay_in_the_run(self, scans, tmp_path):
        source = open_source(scans)
        (tmp_path / "ward").mkdir()
        for subject in source.subjects:
            volume = source.read(subject)
            for kind, wanted in (("image", volume.with_labels(None)), ("label", volume)):
                write_nifti(wanted, tmp_path / "ward" / f"{subject}_{kind}.nii.gz")
        train(tmp_path / "ward", tmp_path / "run", results=tmp_path / "results")
        kept = tmp_path / "results" / "nifti-ward" / "pam" / "fold0-seed0.json"
        assert read_record(kept).dataset.synthetic is False
        assert not masks_path(kept).exists()
        assert read_masks(tmp_path / "run" / "predictions.npz")

    def test_again_it_finds_the_finished_run(self, run, scans, capsys):
        before = (run / "model.safetensors").read_bytes()
        record = (run / "record.json").read_bytes()
        train(scans, run)
        assert (run / "model.safetensors").read_bytes() == before
        assert (run / "record.json").read_bytes() == record
        assert "DSC" in capsys.readouterr().out.upper()

    def test_a_quick_record_does_not_replace_a_full_one(self, run, scans, tmp_path, capsys):
        kept = tmp_path / "phantom-t1dual-in" / "pam" / "fold0-seed0.json"
        kept.parent.mkdir(parents=True)
        content = json.loads((run / "record.json").read_text()) | {"preset": "paper", "quick": False}
        kept.write_text(json.dumps(content))
        before = kept.read_bytes()
        message = fails(
            capsys, "train", "--model", "pam", "--data", scans, "--out", tmp_path / "run", "--results", tmp_path
        )
        assert "is a record of preset 'paper'" in message
        assert kept.read_bytes() == before
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [
            (("--model", "transformer"), "model='transformer' is unknown; choose one of"),
            (("--preset", "slow"), "preset='slow' is unknown"),
            (("--fold", "3"), "fold=3 does not exist; choose 0 to 2"),
            (("--epochs", "0"), "epochs=0 must be 1 or more"),
            (("--weights", "missing.pth"), "missing.pth"),
            (("--batch-size", "0"), "batch_size=0 must be 1 or more"),
            (("--size", "0"), "size=0 must be 1 or more"),
            (("--weight-decay", "-1"), "weight_decay=-1.0 must be 0 or more"),
            (("--factor", "0"), "factor=0.0 must be greater than 0"),
            (("--threads", "0"), "threads=0 must be 1 or more"),
            (("--devices", "0"), "devices=0 must be 1 or more"),
            (("--accelerator", "abacus"), "accelerator='abacus' is unknown; choose one of 'auto', 'cpu', 'cuda'"),
            (("--accelerator", "cuda", "--devices", "99"), "Choose fewer devices"),
        ],
    )
    def test_wrong_arguments_are_named_and_nothing_is_trained(self, scans, tmp_path, capsys, wrong, reason):
        message = fails(capsys, "train", "--data", scans, "--out", tmp_path / "out", *wrong)
        assert reason in message
        assert not (tmp_path / "out").exists()

    def test_a_run_of_other_data_is_not_continued(self, run, scans, capsys):
        """Out of phase the subjects are called the same."""
        before = (run / "record.json").read_bytes()
        wrong = ("--model", "pam", "--data", scans, "--out", run, "--epochs", "1", "--accelerator", "cpu")
        assert "other origin: data was" in fails(capsys, "train", *wrong, "--phase", "out")
        assert (run / "record.json").read_bytes() == before

    def test_a_file_where_the_folder_should_be(self, scans, tmp_path, capsys):
        (tmp_path / "out").write_text("mine")
        assert str(tmp_path / "out") in fails(
            capsys, "train", "--model", "pam", "--data", scans, "--out", tmp_path / "out"
        )
        assert (tmp_path / "out").read_text() == "mine"

    def test_an_interrupted_command_says_so(self, scans, capsys, monkeypatch):
        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("guided_attention.cli.options.open_data", interrupted)
        with pytest.raises(SystemExit) as stopped:
            main(("train",))
        assert stopped.value.code == 130
        assert capsys.readouterr().err == "interrupted\n"

    def test_a_damaged_set_is_refused_before_anything_is_written(self, scans, tmp_path, capsys):
        broken = tmp_path / "broken"
        shutil.copytree(scans, broken)
        label = sorted(broken.rglob("T1DUAL/Ground/*.png"))[3]
        image = sorted(broken.rglob("InPhase/*.dcm"))[7]
        label.unlink()
        image.write_bytes(image.read_bytes()[:3000])
        message = fails(capsys, "train", "--data", broken, "--out", tmp_path / "out")
        assert str(label) in message
        assert str(image) in message
        assert not (tmp_path / "out").exists()

    def test_a_missing_folder(self, tmp_path, capsys):
        assert "is not a folder" in fails(capsys, "train", "--data", tmp_path / "nowhere", "--out", tmp_path / "out")


class TestEvaluate:
    def test_scores_the_same_as_training_did(self, run, scans, tmp_path, capsys):
        main(
            [
                "evaluate",
                str(run),
                "--data",
                str(scans),
                "--fold",
                "0",
                "--out",
                str(tmp_path / "s.json"),
                "--no-progress",
            ]
        )
        record = read_record(run / "record.json")
        subject = record.split.test[0]
        printed = capsys.readouterr().out
        assert f"{record.scores[0]['liver'].dsc:.3f}" in printed
        written = json.loads((tmp_path / "s.json").read_text())
        assert subject in json.dumps(written)

    @pytest.mark.parametrize(
        ("noted", "recorded", "asked", "used"),
        [
            ("bf16-mixed", "32-true", (), "bf16-mixed"),
            ("bf16-mixed", "32-true", ("--precision", "32-true"), "32-true"),
            ("32-true", "32-true", ("--precision", "bf16"), "bf16-mixed"),
            (None, "bf16-mixed", (), "bf16-mixed"),  # a run from before networks noted it
            (None, None, (), "32-true"),
        ],
    )
    def test_computes_with_the_precision_of_the_run(
        self, run, scans, tmp_path, capsys, monkeypatch, noted, recorded, asked, used
    ):
        shutil.copytree(run, tmp_path / "run")
        described, record = tmp_path / "run" / "model.json", tmp_path / "run" / "record.json"
        content = json.loads(described.read_text())
        assert content["notes"].pop("precision") == "32-true"
        content["notes"] |= {"precision": noted} if noted else {}
        described.write_text(json.dumps(content))
        if recorded is None:
            record.unlink()
        else:
            written = json.loads(record.read_text())
            record.write_text(json.dumps({**written, "settings": {**written["settings"], "precision": recorded}}))

        def spy(*_, precision, **__):
            raise SettingsError(f"computes with {precision}")

        monkeypatch.setattr("guided_attention.cli.evaluate.score", spy)
        monkeypatch.setattr("guided_attention.cli.evaluate.predict_volume", spy)
        message = fails(capsys, "evaluate", tmp_path / "run", "--data", scans, "--fold", "0", *asked)
        assert message == f"error: computes with {used}\n"
        folder = next((scans / "Train_Sets" / "MR").iterdir())
        message = fails(capsys, "predict", tmp_path / "run", folder, "--out", tmp_path / "out", *asked)
        assert message == f"error: computes with {used}\n"

    def test_leaves_out_whom_the_network_has_seen_and_names_them(self, run, scans, tmp_path, capsys):
        split = read_record(run / "record.json").split
        main(["evaluate", str(run), "--data", str(scans), "--no-progress"])
        printed = capsys.readouterr().out
        assert scored(printed) == set(split.test)
        assert f"trained on: {', '.join(s for s in open_source(scans).subjects if s in split.train)}\n" in printed
        assert f"epoch chosen with: {', '.join(split.validation)}\n" in printed
        assert "left out; --seen scores them too" in printed
        shutil.copy(run / "model.safetensors", tmp_path)  # the network alone, without its record
        shutil.copy(run / "model.json", tmp_path)
        main(["evaluate", str(tmp_path / "model.safetensors"), "--data", str(scans), "--no-progress"])
        assert capsys.readouterr().out == printed

    def test_scores_whom_it_has_seen_where_that_is_asked_and_marks_them(self, run, scans, tmp_path, capsys):
        split, out = read_record(run / "record.json").split, tmp_path / "s.json"
        main(["evaluate", str(run), "--data", str(scans), "--no-progress", "--seen", "--out", str(out)])
        printed = capsys.readouterr().out
        assert scored(printed) == set(open_source(scans).subjects)
        assert scored(printed, "seen in train") == set(split.train)
        assert scored(printed, "seen in validation") == set(split.validation)
        parts = [(split.train, "train"), (split.validation, "validation")]
        assert json.loads(out.read_text())["seen"] == {s: part for side, part in parts for s in side}
        main(["evaluate", str(run), "--data", str(scans), "--no-progress", "--subjects", split.train[0]])
        printed = capsys.readouterr().out
        assert scored(printed, "seen in train") == {split.train[0]}
        assert "scored all the same: these scores say nothing about new patients" in printed

    def test_nobody_is_left(self, run, scans, capsys):
        test = read_record(run / "record.json").split.test
        fold = next(f.index for f in folds_for(open_source(scans).subjects) if set(f.test).isdisjoint(test))
        message = fails(capsys, "evaluate", run, "--data", scans, "--fold", fold)
        assert "has seen every subject that was chosen" in message
        assert "--seen" in message

    def test_fold_and_subjects_exclude_each_other(self, run, scans, capsys):
        message = fails(capsys, "evaluate", run, "--data", scans, "--fold", "0", "--subjects", "1")
        assert "exclude each other" in message

    @pytest.mark.parametrize("device", ["abacus", "cuda:99"])
    def test_a_device_that_is_not_there(self, run, scans, capsys, device):
        message = fails(capsys, "evaluate", run, "--data", scans, "--device", device)
        assert f"device='{device}' cannot be used here" in message

    def test_a_missing_network(self, scans, tmp_path, capsys):
        assert "model.json: no such file" in fails(capsys, "evaluate", tmp_path, "--data", scans)


class TestPredict:
    def test_writes_labels_in_the_geometry_of_the_image(self, run, scans, tmp_path, capsys):
        source = open_source(scans)
        volume = source.read(source.subjects[0])
        image = write_nifti(volume.with_labels(None), tmp_path / "anna_image.nii.gz")
        turned = nib.load(image).as_reoriented(np.array([[0, 1], [1, -1], [2, 1]]))  # rows the other way, as CHAOS's
        assert nib.aff2axcodes(turned.affine) == ("L", "A", "S")
        nib.save(turned, image)
        main(["predict", str(run), str(image), "--out", str(tmp_path / "out")])
        target = capsys.readouterr().out.strip().splitlines()[-1]
        found, given = nib.load(target), nib.load(image)
        assert found.shape == given.shape
        np.testing.assert_allclose(found.affine, given.affine)
        assert set(np.unique(found.dataobj)) <= set(range(5))
        assert read_nifti(image, target).labels is not None

    def test_what_is_odd_is_said_plainly_and_segmented(self, run, tmp_path, capsys):
        coronal = np.array([[-1.5, 0, 0, 0], [0, 0, 6, 0], [0, 1.5, 0, 0], [0, 0, 0, 1]])
        image = tmp_path / "b_image.nii"
        nib.save(nib.Nifti1Image(np.random.default_rng(0).normal(size=(20, 24, 5)).astype(np.float32), coronal), image)
        main(["predict", str(run), str(image), "--out", str(tmp_path)])
        said = capsys.readouterr().err
        assert f"warning: {image}: expected slices stacked from foot to head, found a coronal stack, 6 mm apart" in said
        assert (tmp_path / "b_prediction.nii.gz").is_file()

    def test_reads_dicom_too_and_does_not_overwrite(self, run, scans, tmp_path, capsys):
        folder = next((scans / "Train_Sets" / "MR").iterdir())
        main(["predict", str(run), str(folder), "--out", str(tmp_path)])
        target = next(tmp_path.glob("*_prediction.nii.gz"))
        before = target.read_bytes()
        message = fails(capsys, "predict", run, folder, "--out", tmp_path)
        assert "exists; give --overwrite" in message
        assert target.read_bytes() == before
        main(["predict", str(run), str(folder), "--out", str(tmp_path), "--overwrite"])

    def test_two_images_of_one_name(self, run, scans, tmp_path, capsys):
        folder = next((scans / "Train_Sets" / "MR").iterdir())
        assert "two images would be written" in fails(capsys, "predict", run, folder, folder, "--out", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_folder_goes_on_after_a_volume_that_fails(self, run, scans, tmp_path, capsys):
        source, folder = open_source(scans), tmp_path / "images"
        for name in ("a", "b", "c"):
            write_nifti(source.read(source.subjects[0]).with_labels(None), folder / f"{name}_0000.nii.gz")
        whole = (folder / "b_0000.nii.gz").read_bytes()
        (folder / "b_0000.nii.gz").write_bytes(whole[: len(whole) // 2])
        (folder / "d.mha").write_bytes(b"?")
        with pytest.raises(SystemExit) as stopped:
            main(["predict", str(run), str(folder), "--out", str(tmp_path / "out"), "--no-progress"])
        assert stopped.value.code == 1
        assert {p.name for p in (tmp_path / "out").iterdir()} == {f"{n}_prediction.nii.gz" for n in "ac"}
        printed = capsys.readouterr()
        assert printed.out.splitlines() == [str(tmp_path / "out" / f"{n}_prediction.nii.gz") for n in "ac"]
        assert f"ignored: {folder / 'd.mha'}: is MetaImage" in printed.err
        assert "1 of 3 could not be predicted" in printed.err
        assert f"{folder / 'b_0000.nii.gz'}: cannot be read as NIfTI" in printed.err

    def test_a_tree_of_subjects(self, run, scans, tmp_path, capsys):
        main(["predict", str(run), str(scans), "--out", str(tmp_path / "out")])
        assert {p.name.removesuffix("_prediction.nii.gz") for p in (tmp_path / "out").iterdir()} == set(
            open_source(scans).subjects
        )
        assert "predicting: 100%" in capsys.readouterr().err

    def test_no_more_than_three_volumes_are_held(self, run, scans, tmp_path, monkeypatch):
        """When a volume is read, one may be with the network and one being written; those before them are gone."""
        source, alive, most = open_source(scans), weakref.WeakSet(), []
        paths = [write_nifti(source.read(source.subjects[0]), tmp_path / f"{n}.nii", "image") for n in "abcdefg"]

        def watched(path):
            most.append(len(alive))
            volume = read_nifti(path)
            alive.add(volume)
            return volume

        monkeypatch.setattr("guided_attention.cli.evaluate.read_nifti", watched)
        main(["predict", str(run), *map(str, paths), "--out", str(tmp_path / "out")])
        assert len(most) == len(paths)
        assert max(most) <= 2

    def test_no_image(self, run, tmp_path, capsys):
        assert "none given" in fails(capsys, "predict", run, "--out", tmp_path / "out")


class TestData:
    def test_check_passes_and_fails(self, scans, tmp_path, capsys):
        main(["data", "check", str(scans)])
        assert "4 subjects read completely" in capsys.readouterr().out
        broken = tmp_path / "broken"
        shutil.copytree(scans, broken)
        stray = next(broken.rglob("T2SPIR/Ground/*.png"))
        stray.rename(stray.with_name("IMG-9999-00001.png"))
        assert "label without an image" in fails(capsys, "data", "check", broken, "--sequence", "T2SPIR")

    def test_phantom_is_made_where_the_environment_says(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setenv("GUIDED_ATTENTION_DATA", str(tmp_path))
        main(["data", "phantom", "--preset", "tiny", "--subjects", "3", "--seed", "5"])
        assert (tmp_path / "phantom" / "phantom.json").is_file()
        main(["data", "folds"])
        printed = capsys.readouterr().out
        assert "fold 2" in printed
        assert "validation" in printed

    def test_an_unknown_command_says_which_there_are(self, capsys):
        with pytest.raises(SystemExit) as stopped:
            main(["data", "eat"])
        assert stopped.value.code == 2
        assert "check" in capsys.readouterr().err
