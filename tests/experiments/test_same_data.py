"""A run is known by its data: what changes a digest and what does not, and what becomes of two folders of one name."""

import gzip
import hashlib
import json
import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from data_factory import Scan, write_scan
from guided_attention.cli.main import main
from guided_attention.data import Volume, open_source, read_nifti, volume_digest, write_nifti
from guided_attention.data.digest import digests_of, set_digest
from guided_attention.errors import CheckpointError, DataError, SettingsError
from guided_attention.experiments.plan import plan
from guided_attention.experiments.record import read_record, record_path, write_record
from guided_attention.experiments.run import run_trial
from guided_attention.experiments.run_record import DataSet
from guided_attention.experiments.same_data import data_difference, name_by_data
from guided_attention.experiments.trial import describe
from guided_attention.report import load_results, masks_side_by_side
from guided_attention.training.checkpoints import save_checkpoint
from guided_attention.training.loop import fit
from report_records import small_record, write
from small_grid import tiny_job, write_tiny_set
from small_training import SETTINGS, TRAIN, VALIDATION, network

NAME = "phantom-t1dual-in"


def a_volume():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 400, (3, 6, 5)).astype(np.float32)
    return Volume(image, rng.integers(0, 5, image.shape, dtype=np.uint8), (7.7, 1.40625, 1.25), "s1")


def changed(volume, what):
    """The same volume with one thing a little different."""
    image, labels = volume.image.copy(), volume.labels.copy()
    image[1, 2, 3] += what == "grey"
    labels[1, 2, 3] = (labels[1, 2, 3] + (what == "label")) % 5
    spacing = (7.7, 1.40625, 1.2501) if what == "spacing" else volume.spacing
    shape = (3, 5, 6) if what == "shape" else image.shape
    return replace(volume, image=image.reshape(shape), labels=labels.reshape(shape), spacing=spacing)


class TestDigest:
    def test_is_of_little_endian_numbers_alone(self):
        """Packed by hand, number by number, as any machine would."""
        volume = a_volume()
        content = struct.pack("<4I", 3, 6, 5, 1) + struct.pack("<3f", 7.7, 1.40625, 1.25)
        content += struct.pack("<90f", *volume.image.ravel().tolist()) + bytes(volume.labels.ravel().tolist())
        assert volume_digest(volume) == hashlib.sha256(content).hexdigest()[:16]

    @pytest.mark.parametrize("what", ["grey", "label", "spacing", "shape"])
    def test_one_voxel_label_spacing_or_the_shape_changes_it(self, what):
        assert volume_digest(changed(a_volume(), "nothing")) == volume_digest(a_volume())
        assert volume_digest(changed(a_volume(), what)) != volume_digest(a_volume())

    def test_an_image_without_labels_is_not_one_with_empty_labels(self):
        volume = a_volume()
        empty = volume.with_labels(np.zeros_like(volume.labels))
        assert len({volume_digest(v) for v in (volume, volume.with_labels(None), empty)}) == 3

    def test_layout_in_memory_and_the_subjects_name_do_not_matter(self):
        volume = a_volume()
        turned = replace(volume, image=np.asfortranarray(volume.image), labels=volume.labels[::-1].copy()[::-1])
        assert not turned.image.flags.c_contiguous
        assert volume_digest(replace(turned, subject="other")) == volume_digest(volume)

    def test_names_compression_and_number_type_of_the_files_do_not_matter(self, tmp_path):
        volume, found = a_volume(), set()
        for ending, kind in ((".nii", np.float32), (".nii.gz", np.int16), (".nii.gz", np.float64)):
            folder = tmp_path / f"{kind.__name__}"
            image = write_nifti(volume, folder / f"p_image{ending}", "image")
            label = write_nifti(volume, folder / f"p_label{ending}")
            loaded = nib.load(image)
            nib.save(nib.Nifti1Image(np.asarray(loaded.dataobj).astype(kind), loaded.affine), image)
            found.add(volume_digest(read_nifti(image, label)))
        packed = gzip.compress(gzip.decompress(label.read_bytes()), compresslevel=1)
        assert packed != label.read_bytes()
        label.write_bytes(packed)
        found.add(volume_digest(read_nifti(image, label)))
        assert found == {volume_digest(read_nifti(image, label))}

    def test_phases_and_sequences_differ(self, tmp_path):
        for subject in ("1", "2", "3"):
            write_scan(tmp_path / "scans" / "MR" / subject, Scan(seed=int(subject)))
        chosen = [("T1DUAL", "in"), ("T1DUAL", "out"), ("T2SPIR", "in")]
        sets = [describe(open_source(tmp_path / "scans", *how).verified()).digests for how in chosen]
        assert len({digests["1"] for digests in sets}) == 3

    def test_a_set_is_its_subjects_and_their_contents(self):
        one = {"a": "1" * 16, "b": "2" * 16}
        assert set_digest({"b": one["b"], "a": one["a"]}) == set_digest(one)
        others = ({"a": one["b"], "b": one["a"]}, {"a": one["a"]}, {"a": one["a"], "c": one["b"]})
        assert len({set_digest(other) for other in (one, *others)}) == 4

    def test_two_volumes_of_one_subject_both_count(self):
        first, second = a_volume(), changed(a_volume(), "grey")
        assert digests_of([first, second]) == {"s1": f"{volume_digest(first)}+{volume_digest(second)}"}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    fit(network(), TRAIN, VALIDATION, replace(SETTINGS, epochs=1), folder, progress=False)
    return folder


class TestFit:
    @pytest.mark.parametrize(("part", "what"), [("train", "grey"), ("train", "label"), ("validation", "spacing")])
    def test_does_not_go_on_with_other_data_of_the_same_names(self, begun, part, what):
        train, validation = list(TRAIN), list(VALIDATION)
        volumes = train if part == "train" else validation
        volumes[-1] = changed(volumes[-1], what)
        before, now = (volume_digest(v[-1]) for v in (TRAIN if part == "train" else VALIDATION, volumes))
        message = re.escape(f"other data: {volumes[-1].subject} was '{before}', is '{now}'.")
        with pytest.raises(CheckpointError, match=message):
            fit(network(), train, validation, replace(SETTINGS, epochs=1), begun, progress=False)

    def test_goes_on_with_copies(self, begun):
        copies = [changed(volume, "nothing") for volume in TRAIN]
        chosen = replace(SETTINGS, epochs=1)
        assert fit(network(), copies, VALIDATION, chosen, begun, progress=False).resumed_from == 1

    def test_goes_on_from_a_checkpoint_that_knows_no_digests(self, tmp_path, monkeypatch):
        def without_data(folder, epoch, model, optimizer, state):
            return save_checkpoint(folder, epoch, model, optimizer, {k: v for k, v in state.items() if k != "data"})

        chosen = replace(SETTINGS, epochs=1)
        with monkeypatch.context() as patch:
            patch.setattr("guided_attention.training.kept.save_checkpoint", without_data)
            fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False)
        assert fit(network(), TRAIN, VALIDATION, chosen, tmp_path, progress=False).resumed_from == 1


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Two data sets of one name, and a run of the first with its record."""
    home = tmp_path_factory.mktemp("sites")
    write_tiny_set(home / "data")
    for subject in range(1, 5):
        write_scan(home / "other/Train_Sets/MR" / str(subject), Scan(seed=40 + subject), sequences=("T1DUAL",))
    (home / "other" / "phantom.json").write_text("{}")
    job = tiny_job(home / "data", home)
    source = job.source()
    run_trial(job.trial, source, job.settings, job.folder(source.name), results=job.results, progress=False)
    return home


@pytest.fixture
def home(done, tmp_path):
    return Path(shutil.copytree(done, tmp_path / "home"))


def without_digests(path):
    """As records were before there were digests."""
    content = json.loads(path.read_text())
    del content["dataset"]["digests"]
    path.write_text(json.dumps(content))


class TestNames:
    def test_the_first_data_keep_the_name_and_others_get_their_own(self, home):
        roots = home / "runs", home / "results"
        first, notice = name_by_data(open_source(home / "data"), *roots)
        assert (first.name, notice) == (NAME, "")
        other, notice = name_by_data(open_source(home / "other"), *roots)
        assert other.name == f"{NAME}-{set_digest(describe(other).digests)[:8]}"
        digests = [describe(source).digests["1"] for source in (first, other)]
        assert "subject '1' is {} there, {} here".format(*digests) in notice
        assert "and 1 more subjects differ" in notice
        for text in (other.name, str(home / "other"), str(home / "runs" / NAME)):
            assert text in notice

    @pytest.mark.parametrize("kept", ["runs", "results"])
    def test_one_of_the_two_folders_is_enough_to_know(self, home, kept):
        assert name_by_data(open_source(home / "other"), home / kept)[0].name != NAME
        assert name_by_data(open_source(home / "other"), home / "elsewhere")[0].name == NAME

    def test_an_interrupted_run_is_known_by_its_checkpoint(self, home):
        (home / "runs" / NAME / "pam/quick-epochs1-fold0-seed0/record.json").unlink()
        assert name_by_data(open_source(home / "data"), home / "runs")[0].name == NAME
        assert name_by_data(open_source(home / "other"), home / "runs")[0].name != NAME

    def test_the_same_command_finds_its_own_folder_again(self, home):
        own = name_by_data(open_source(home / "other"), home / "runs")[0].name
        (home / "runs" / own).mkdir()
        shutil.rmtree(home / "runs" / NAME)
        name, notice = name_by_data(open_source(home / "other"), home / "runs")
        assert name.name == own
        assert own in notice

    def test_a_corrected_label_makes_other_data(self, home):
        write_scan(home / "data/Train_Sets/MR/2", Scan(seed=2), sequences=("T1DUAL",))
        assert name_by_data(open_source(home / "data"), home / "runs")[0].name == NAME  # written again, not changed
        scan = Scan(seed=2)
        scan.labels[0, 0, 0] = (scan.labels[0, 0, 0] + 1) % 5
        write_scan(home / "data/Train_Sets/MR/2", scan, sequences=("T1DUAL",))
        source, notice = name_by_data(open_source(home / "data"), home / "runs")
        assert source.name != NAME
        assert re.findall(r"subject '(\d)'", notice) == ["2"]


class TestRuns:
    """A folder that was named is another matter: it holds the run that it holds."""

    def test_a_finished_run_of_other_data_is_refused(self, home):
        job = tiny_job(home / "other", home)
        with pytest.raises(CheckpointError, match=r"started with other data: .* was '"):
            run_trial(job.trial, job.source(), job.settings, job.folder(NAME), progress=False)

    def test_only_the_test_subjects_changed(self, home):
        job, folder = tiny_job(home / "data", home), home / "data/Train_Sets/MR"
        (tested,) = read_record(job.folder(NAME) / "record.json").split.test
        write_scan(folder / tested, Scan(seed=77), sequences=("T1DUAL",))
        with pytest.raises(CheckpointError, match=f"tested on other data than .* \\(subject '{tested}' is "):
            run_trial(job.trial, job.source(), job.settings, job.folder(NAME), progress=False)

    def test_a_record_of_other_data_is_not_replaced(self, home):
        job = tiny_job(home / "other", home)
        target = record_path(home / "results", NAME, "pam", 0, 0)
        before = target.read_bytes()
        with pytest.raises(SettingsError, match=r"is a record of other data than .*subject '1'"):
            run_trial(job.trial, job.source(), job.settings, home / "new", results=home / "results", progress=False)
        with pytest.raises(SettingsError, match=r"its data are not those of .*subject '1'"):
            plan([job], job.source(), home / "results")
        target.unlink()
        with pytest.raises(SettingsError, match=r"its data are not those of .*subject '1'"):  # the run's own record
            plan([job], job.source(), home / "results")
        target.write_bytes(before)
        (planned,) = plan([tiny_job(home / "data", home)], open_source(home / "data"), home / "results")
        assert planned.status == "finished"


class TestOldRecords:
    def test_count_as_the_same_where_their_reference_agrees(self, home):
        target = record_path(home / "results", NAME, "pam", 0, 0)
        without_digests(target)
        shutil.rmtree(home / "runs")
        same, other = (open_source(home / name).verified() for name in ("data", "other"))
        assert data_difference(read_record(target), same.fingerprints) == ""
        assert name_by_data(same, home / "results")[0].name == NAME
        (planned,) = plan([tiny_job(home / "data", home)], same, home / "results")
        assert planned.status == "finished"
        (tested,) = read_record(target).split.test
        voxels = np.count_nonzero(open_source(home / "other").read(tested).labels == 1)
        assert f"here {voxels} voxels of liver" in re.sub(
            r"there, (\d+)", r"here \1", data_difference(read_record(target), other.fingerprints)
        )
        assert name_by_data(other, home / "results")[0].name != NAME

    def test_other_subjects_are_other_data(self, home):
        target = record_path(home / "results", NAME, "pam", 0, 0)
        without_digests(target)
        here = dict(open_source(home / "data").verified().fingerprints)
        here["5"] = here["1"]
        assert data_difference(read_record(target), here) == "subject '5' is absent there, known by name only here"


class TestReport:
    def test_records_of_other_data_are_not_mixed(self, tmp_path):
        kinds = [DataSet("set", "not stated", False, {"a": digit * 16}) for digit in "12"]
        records = [
            small_record(model, {"a": 0.5}, dataset=kind) for model, kind in zip(("daf", "pam"), kinds, strict=True)
        ]
        write(tmp_path, *records)
        with pytest.raises(DataError, match=r"one data in one report, found a: '1{16}' and '2{16}'"):
            load_results(tmp_path, "set")
        write(tmp_path, replace(records[1], dataset=DataSet("set", "not stated", False)))
        assert load_results(tmp_path, "set").dataset.digests == {"a": "1" * 16}

    def test_records_without_digests_must_have_one_reference(self, tmp_path):
        first, second = (small_record(model, {"a": 0.5}) for model in ("daf", "pam"))
        (score,) = second.scores
        spleen = replace(score.organs[3], reference_voxels=99)
        write(tmp_path, first, replace(second, scores=(replace(score, organs=(*score.organs[:3], spleen)),)))
        with pytest.raises(DataError, match=r"reference of fold 0 .* a spleen: 100 and 99"):
            load_results(tmp_path, first.dataset.name)

    def test_masks_are_shown_on_the_data_of_their_records(self, home):
        found = load_results(home / "results", NAME)
        assert masks_side_by_side(found, open_source(home / "data"), count=1).axes
        with pytest.raises(DataError, match=r"other: not the data of the records .* subject '1' is [0-9a-f]{16} there"):
            masks_side_by_side(found, open_source(home / "other"), count=1)


def test_experiment_keeps_two_sites_of_one_name_apart(tmp_path, monkeypatch, capsys):
    """Each gets runs and records of its own, and the same command finds them again."""
    monkeypatch.chdir(tmp_path)
    for site, seed in (("a", 0), ("b", 50)):
        for subject in range(1, 5):
            scan = Scan(seed=seed + subject)
            volume = Volume(scan.images["T2"].astype(np.float32), scan.labels, (7.5, 1.5, 1.25), f"s{subject}")
            for kind, wanted in (("image", volume.with_labels(None)), ("label", volume)):
                write_nifti(wanted, tmp_path / site / "nifti" / f"s{subject}_{kind}.nii.gz")
    what = ["--preset", "quick", "--models", "unet", "--folds", "0", "--epochs", "1", "--accelerator", "cpu"]
    for site in "ab":
        main(["experiment", *what, "--data", f"{site}/nifti"])
    own = f"nifti-nifti-{set_digest(describe(open_source('b/nifti').verified()).digests)[:8]}"
    assert f"these runs are kept as {own}" in capsys.readouterr().out
    for name, site in (("nifti-nifti", "a"), (own, "b")):
        path = record_path("results", name, "unet", 0, 0)
        record = read_record(path)
        assert path.read_bytes() == Path("runs", name, "unet/quick-epochs1-fold0-seed0/record.json").read_bytes()
        assert record.dataset.name == name
        (score,) = record.scores
        reference = open_source(f"{site}/nifti").read(score.subject)
        assert record.dataset.digests[score.subject] == volume_digest(reference)
        assert score.organs[0].reference_voxels == np.count_nonzero(reference.labels == 1)
        main(["experiment", *what, "--data", f"{site}/nifti", "--dry-run"])
        assert "1 trials: 1 finished" in capsys.readouterr().out


def test_digests_survive_in_a_record_and_nothing_else_does(tmp_path):
    record = small_record("daf", {"a": 0.5}, dataset=DataSet("set", "not stated", False, {"a": "0123456789abcdef"}))
    path = write_record(record, tmp_path / "record.json")
    assert read_record(path).dataset == record.dataset
    path.write_text(path.read_text().replace("0123456789abcdef", "not a digest"))
    with pytest.raises(DataError, match=r"digests\.a, 'not a digest' does not match"):
        read_record(path)
