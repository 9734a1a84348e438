"""The commands on files of other formats than NIfTI, and on subjects of two channels."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from data_factory import Scan, edit_dicom, write_dicom, write_scan
from guided_attention.cli.main import main
from guided_attention.data import InputSettings, open_source, read_nifti
from guided_attention.experiments.record import read_record
from guided_attention.experiments.trial import describe
from guided_attention.models import build_model
from guided_attention.models.stored.weights import ModelSpec, load_network, save_network

IMAGE = np.random.default_rng(0).integers(0, 900, (4, 20, 24)).astype(np.int16)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Of one channel, untrained: what it says does not matter, where it says it does."""
    return _network(tmp_path_factory.mktemp("one"), ModelSpec("unet", {"channels": 4}, InputSettings(32, "resample")))


@pytest.fixture(scope="module")
def network_of_two(tmp_path_factory):
    spec = ModelSpec("unet", {"channels": 4}, InputSettings(32, "resample"), 2, channels=("T1", "T2"))
    return _network(tmp_path_factory.mktemp("two"), spec)


def _network(folder, spec):
    save_network(folder / "model.safetensors", build_model("unet", spec.in_channels, channels=4), spec)
    return folder


def write_itk(path, array=IMAGE):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.5, 1.25, 6.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path), True)
    return path


def predict(network, *images, out):
    main(["predict", str(network), *map(str, images), "--out", str(out), "--no-progress"])


def written(out):
    return sorted(p.name for p in out.iterdir() if p.name != "labels.json")


def fails(status, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    assert stopped.value.code == status


def test_a_prediction_has_format_and_geometry_of_its_image(network, tmp_path):
    """One folder with a volume of each format."""
    folder, out, scan = tmp_path / "images", tmp_path / "out", Scan(rows=20, columns=24)
    images = {ending: write_itk(folder / f"from_{ending}.{ending}") for ending in ("nrrd", "mha", "mhd")}
    for place, z in enumerate(scan.order):
        write_dicom(folder / "patient" / f"IM{place}", scan, "T2", z, 80.0)
    nib.save(nib.Nifti1Image(IMAGE.T, np.diag([-1.5, 1.25, 6, 1])), folder / "from_nifti.NII.GZ")
    predict(network, folder, out=out)
    assert written(out) == [
        "from_mha_prediction.mha",
        "from_mhd_prediction.mha",
        "from_nifti_prediction.nii.gz",
        "from_nrrd_prediction.nrrd",
        "patient_prediction.nii.gz",
    ]
    for ending, path in images.items():
        found = sitk.ReadImage(str(out / f"from_{ending}_prediction.{'nrrd' if ending == 'nrrd' else 'mha'}"))
        given = sitk.ReadImage(str(path))
        for of in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(found, of)(), getattr(given, of)(), atol=1e-9)
        assert read_nifti(path, out / f"from_{ending}_prediction.{path.suffix[1:].replace('mhd', 'mha')}").labels.any()
    assert read_nifti(folder / "patient", out / "patient_prediction.nii.gz").labels is not None


def test_a_folder_of_slices_is_one_volume_and_several_series_are_a_choice(network, tmp_path, capsys):
    scan, folder = Scan(rows=20, columns=24), tmp_path / "patient"
    for number, which in ((1, "T2"), (2, "InPhase")):
        for place, z in enumerate(scan.order):
            path = folder / f"IM{number}{place}"
            write_dicom(path, scan, which, z, 4.6)
            edit_dicom(path, SeriesInstanceUID=f"1.2.{number}", SeriesNumber=str(number), SeriesDescription=which)
    fails(1, "predict", network, folder, "--out", tmp_path / "out")
    said = capsys.readouterr().err
    assert "1 of 1 could not be predicted" in said
    assert "1  T2  4 slices of 20 x 24" in said
    main(["predict", str(network), str(folder), "--out", str(tmp_path / "out"), "--series", "2"])
    printed = capsys.readouterr()
    assert "series 1  T2  4 slices of 20 x 24 is not read" in printed.err
    assert written(tmp_path / "out") == ["patient_prediction.nii.gz"]


def test_channels_of_a_folder_are_gathered_and_others_refused(network, network_of_two, tmp_path, capsys):
    folder = tmp_path / "images"
    for name in ("a_0000", "a_0001", "b_0000"):
        write_itk(folder / f"{name}.nrrd")
    fails(1, "predict", network_of_two, folder, "--out", tmp_path / "two", "--no-progress")
    said = capsys.readouterr().err
    assert "1 of 2 could not be predicted" in said
    assert "expected 2 channels (T1, T2), each in a file of its own" in said
    assert written(tmp_path / "two") == ["a_prediction.nrrd"]
    (tmp_path / "imagesTs").mkdir()
    for path in folder.iterdir():
        path.rename(tmp_path / "imagesTs" / path.name)
    fails(1, "predict", network, tmp_path / "imagesTs", "--out", tmp_path / "one", "--no-progress")
    assert "trained with, 1 (not named), found 2 (0000, 0001)" in capsys.readouterr().err
    assert written(tmp_path / "one") == ["b_prediction.nrrd"]


def test_a_missing_extra_is_named_and_the_other_volumes_are_done(network, tmp_path, capsys, monkeypatch):
    write_itk(tmp_path / "images" / "a.mha")
    nib.save(nib.Nifti1Image(IMAGE.T, np.diag([-1.5, 1.25, 6, 1])), tmp_path / "images" / "b.nii.gz")
    monkeypatch.setattr("guided_attention.errors.find_spec", lambda name: None)
    fails(1, "predict", network, tmp_path / "images", "--out", tmp_path / "out", "--no-progress")
    assert 'pip install "guided-attention[formats]"' in capsys.readouterr().err
    assert written(tmp_path / "out") == ["b_prediction.nii.gz"]


def test_both_phases_from_training_to_masks(tmp_path, capsys):
    for name in "1234":
        write_scan(tmp_path / "set" / name, Scan(rows=32, columns=32, seed=int(name)), ("T1DUAL",))
    run, options = tmp_path / "run", ("--data", str(tmp_path / "set"), "--phase", "both")
    small = ("--model", "pam", "--epochs", "1", "--size", "32", "--accelerator", "cpu", "--no-progress")
    main(["train", *options, *small, "--out", str(run)])
    record = read_record(run / "record.json")
    names = ("T1-DUAL in-phase", "T1-DUAL out-phase")
    assert (record.dataset.name, record.dataset.channels) == ("chaos-t1dual-both", names)
    assert record.dataset.sequence == "T1-DUAL in-phase + T1-DUAL out-phase"
    model, spec = load_network(run)
    assert (spec.in_channels, spec.channels, model.in_channels) == (2, names, 2)
    test = record.split.test[0]
    main(["evaluate", str(run), *options, "--fold", "0", "--no-progress"])
    assert f"{record.scores[0]['liver'].dsc:.3f}" in capsys.readouterr().out
    main(["predict", str(run), str(tmp_path / "set" / test), "--phase", "both", "--out", str(tmp_path / "out")])
    assert (tmp_path / "out" / f"{test}_prediction.nii.gz").is_file()
    fails(2, "evaluate", run, "--data", tmp_path / "set", "--no-progress")
    said = capsys.readouterr().err
    assert "2 (T1-DUAL in-phase, T1-DUAL out-phase), found 1 (T1-DUAL in-phase)" in said


def test_a_record_of_one_channel_is_written_as_before(tmp_path):
    write_scan(tmp_path / "1", Scan(), ("T1DUAL",))
    assert describe(open_source(tmp_path)).channels is None
    assert describe(open_source(tmp_path)).sequence == "T1-DUAL in-phase"


def test_a_single_slice_is_no_volume(tmp_path):
    scan = Scan()
    write_dicom(tmp_path / "IM1", scan, "T2", 0, 80.0)
    with pytest.raises(ValueError, match="expected at least 2 readable DICOM slices, found 1"):
        read_nifti(tmp_path / "IM1")
