"""From somebody else's folder to a report: one organ and fifteen, under numbers of their own, keep their names."""

import csv
import json

import nibabel as nib
import numpy as np
import onnx
import pytest
import torch

from guided_attention.cli.main import main
from guided_attention.data import CHAOS_LABELS, LabelSet, open_source
from guided_attention.data.read.described import describe_folder
from guided_attention.experiments.record import read_record
from guided_attention.models.stored.weights import load_network
from guided_attention.widgets import LiveNetwork, MetricPlayground, PositionExplorer, VolumeBrowser
from guided_attention.widgets.shared.pack import unpack

AFFINE = np.diag([-1.5, -1.5, 6, 1])
PROSTATE = {"background": 0, "prostate": 1}
AMOS = {
    name: number
    for number, name in enumerate(
        "background,spleen,right kidney,left kidney,gall bladder,esophagus,liver,stomach,aorta,postcava,pancreas,"
        "right adrenal gland,left adrenal gland,duodenum,bladder,prostate/uterus".split(",")
    )
}
THREE = {"background": 0, "liver": 63, "kidneys": 126, "spleen": 252}
SETS = {"prostate": PROSTATE, "amos": AMOS, "three": THREE}
SUBJECTS = "abcd"


def write_set(folder, labels):
    """Four subjects in nnU-Net's folders: each organ a square of its own grey, in a place of its own."""
    ids = [number for name, number in labels.items() if name != "background"]
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for seed, subject in enumerate(SUBJECTS):
        rng = np.random.default_rng(seed)
        truth = np.zeros((32, 32, 4), np.int16)
        grey = rng.normal(0, 2, truth.shape)
        for place, number in enumerate(ids):
            column, row = 8 * (place % 4), 8 * (place // 4)
            truth[column + 1 : column + 7, row + 1 : row + 7, 1:] = number
            grey[truth == number] += 20 + 10 * place
        nib.save(nib.Nifti1Image(grey.round().astype(np.int16), AFFINE), folder / "imagesTr" / f"{subject}_0000.nii.gz")
        nib.save(nib.Nifti1Image(truth, AFFINE), folder / "labelsTr" / f"{subject}.nii.gz")
    about = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 4, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


@pytest.fixture(scope="module", params=SETS)
def made(request, tmp_path_factory):
    """A data set, its labels, and a network trained on it for one epoch: (data, labels, run, results)."""
    home = tmp_path_factory.mktemp(request.param)
    data = write_set(home / request.param, SETS[request.param])
    folder = home / "runs" / f"nifti-{request.param}" / "pam" / "quick-epochs1-size32-fold0-seed0"
    train("pam", data, folder, results=home / "results")
    return data, SETS[request.param], folder, home / "results"


def train(model, data, out, **more):
    options = {"model": model, "data": data, "epochs": 1, "size": 32, "out": out, "accelerator": "cpu", **more}
    main(["train", "--no-progress", *(str(part) for name, value in options.items() for part in (f"--{name}", value))])


def organs_of(labels):
    return tuple(name for name in labels if name != "background")


def run(capsys, *arguments):
    main([str(a) for a in arguments])
    return capsys.readouterr().out


def test_network_and_record_know_their_organs(made):
    data, labels, folder, _ = made
    record, (model, spec) = read_record(folder / "record.json"), load_network(folder)
    assert record.dataset.organs == spec.label_set.organs == organs_of(labels)
    assert dict(zip(spec.label_set.names, spec.label_set.ids, strict=True)) == labels
    assert [organ.organ for organ in record.scores[0].organs] == [*organs_of(labels)]
    assert [*record.summary] == [*organs_of(labels), "mean"]
    assert model(torch.zeros(1, 1, 32, 32)).logits.shape[1] == len(labels)
    assert {key for key in record.curve[0] if key.startswith("dice_")} <= {f"dice_{o}" for o in organs_of(labels)}
    assert open_source(data).label_set == spec.label_set


def test_a_prediction_has_the_numbers_of_the_training_files_and_is_scored(made, tmp_path, capsys):
    data, labels, folder, _ = made
    run(capsys, "predict", folder, data / "imagesTr", "--out", tmp_path / "out", "--no-progress")
    written = np.asarray(nib.load(tmp_path / "out" / "a_prediction.nii.gz").dataobj)
    assert set(np.unique(written)) <= set(labels.values())
    assert describe_folder(tmp_path / "out").label_set == open_source(data).label_set
    printed = run(capsys, "score", tmp_path / "out", data, "--out", tmp_path / "s.json", "--no-progress")
    scores = json.loads((tmp_path / "s.json").read_text())["scores"]
    assert [organ["organ"] for organ in scores[0]["organs"]] == [*organs_of(labels)]
    assert "not scored" not in printed
    for organ, number in ((o, labels[o.get("organ")]) for o in scores[0]["organs"]):
        truth = np.asarray(nib.load(data / "labelsTr" / "a.nii.gz").dataobj)
        assert organ["predicted_voxels"] == np.count_nonzero(written == number)
        assert organ["reference_voxels"] == np.count_nonzero(truth == number) == 36 * 3


def test_evaluation_report_and_check_name_them(made, tmp_path, capsys):
    data, labels, folder, results = made
    assert str(open_source(data).label_set) in run(capsys, "data", "check", data)
    printed = run(capsys, "evaluate", folder, "--data", data, "--subjects", "a", "--no-progress")
    assert all(f"\na             {organ} " in printed for organ in organs_of(labels))
    run(
        capsys,
        "report",
        "--results",
        results,
        "--out",
        tmp_path / "report",
        "--data",
        data,
        "--runs",
        folder.parents[2],
    )
    (table,) = (tmp_path / "report").rglob("table1.csv")
    with table.open(newline="") as lines:
        columns = next(csv.reader(lines))
    assert columns[3:-2] == [*organs_of(labels), "mean"]
    assert "The paper segments other organs" in (table.parent / "index.md").read_text()


def test_widgets_name_and_colour_them(made):
    data, labels, folder, _ = made
    model, spec = load_network(folder)
    volume = open_source(data).read("a")
    wanted = [("background", "#8b949e"), *zip(organs_of(labels), spec.label_set.colours[1:], strict=True)]
    browser = VolumeBrowser.from_model(model, volume, spec.inputs, label_set=spec.label_set)
    explorer = PositionExplorer.from_model(model, volume, inputs=spec.inputs)
    for widget in (browser, explorer):
        assert [(one["name"], one["colour"]) for one in widget.data["classes"]] == wanted
        assert len(widget.picture().legends[0].get_texts()) >= len(labels) - 1
    playground = MetricPlayground(volume, organ=organs_of(labels)[-1].upper())
    assert playground.organ == len(labels) - 1


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The folder of a run of one epoch on liver, kidneys and spleen."""
    home = tmp_path_factory.mktemp("named")
    train("unet", write_set(home / "three", THREE), home / "run")
    return home / "run"


def test_a_network_in_the_browser_takes_its_names_along(network, tmp_path):
    live = LiveNetwork.from_weights(network, open_source(write_set(tmp_path / "three", THREE)).read("a"))
    assert [one["name"] for one in live.data["classes"]] == [*THREE]
    assert [text.get_text() for text in live.picture().legends[0].get_texts()] == [*organs_of(THREE)]
    graph = onnx.load_from_string(unpack(live.data["graph"]).tobytes())
    said = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
    assert (said["names"], said["ids"]) == ([*THREE], [*THREE.values()])


class TestAgainstOtherNames:
    def test_what_both_have_is_scored_and_the_rest_is_named(self, network, tmp_path, capsys):
        data = write_set(tmp_path / "amos", AMOS)
        printed = run(capsys, "evaluate", network, "--data", data, "--no-progress", "--out", tmp_path / "s.json")
        scored = json.loads((tmp_path / "s.json").read_text())["scores"][0]["organs"]
        assert [organ["organ"] for organ in scored] == ["spleen", "liver"]
        assert f"in {network} alone, not scored: kidneys" in printed
        assert f"in {data} alone, not scored: right kidney, left kidney, gall bladder" in printed

    def test_nothing_in_common_is_an_error_that_names_both(self, network, tmp_path, capsys):
        data = write_set(tmp_path / "prostate", PROSTATE)
        with pytest.raises(SystemExit):
            main(["evaluate", str(network), "--data", str(data), "--no-progress"])
        assert "found liver, kidneys, spleen and prostate: none is in both" in capsys.readouterr().err

    def test_other_names_for_the_same_numbers_are_another_data_set(self, network, tmp_path, capsys):
        data = write_set(tmp_path / "three", {"background": 0, "spleen": 63, "kidneys": 126, "liver": 252})
        with pytest.raises(SystemExit):
            train("unet", data, network)
        assert "this run was started with other" in capsys.readouterr().err

    def test_a_browser_does_not_show_organs_that_it_cannot_name(self, tmp_path):
        volume = open_source(write_set(tmp_path / "three", THREE)).read("a")
        prediction = volume.in_set(CHAOS_LABELS)
        with pytest.raises(ValueError, match="kidney_left, kidney_right cannot be shown"):
            VolumeBrowser(volume, prediction)
        shown = VolumeBrowser(volume, prediction.in_set(LabelSet(("background", "spleen", "liver"))))
        assert [d is None for d in shown.data["distances"]] == [True, False, False, False]
        assert shown.data["distances"][1] == shown.data["distances"][3] == 0
