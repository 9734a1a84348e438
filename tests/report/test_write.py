"""The report as files: whole, the same each time, and with the numbers that a page gets from the same functions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt

from guided_attention.cli.main import main
from guided_attention.data import open_source, write_phantom
from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.calibration import Reliability
from guided_attention.experiments.label_volumes import masks_path, write_masks
from guided_attention.experiments.record import record_path
from guided_attention.experiments.run_record import DataSet
from guided_attention.experiments.trial import Trial, run_folder
from guided_attention.report import (
    box_plots,
    choose_slices,
    convergence_curves,
    disagreement,
    load_masks,
    load_results,
    masks_side_by_side,
    numbers,
    reliability_diagram,
    report_digest,
    table_one,
    write_report,
)
from report_records import PHANTOM, small_record, write

RESULTS = Path(__file__).parents[2] / "results"
MODELS = ("daf", "ms-dual-guided", "unet")
BINS = Reliability((0,) * 14 + (100,), (float("nan"),) * 14 + (0.98,), (float("nan"),) * 14 + (0.9,))


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Three tiny synthetic subjects."""
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", subjects=3, preset="tiny", workers=1)


@pytest.fixture(scope="module")
def source(scans):
    return open_source(scans)


@pytest.fixture(scope="module")
def root(source, tmp_path_factory):
    """Records of three networks on two subjects; a network's masks are the reference, moved by some pixels."""
    root = tmp_path_factory.mktemp("results")
    subjects = source.subjects[:2]
    volumes = {subject: source.read(subject).labels for subject in subjects}
    for shift, model in enumerate(MODELS):
        dsc = {subject: 0.9 - 0.1 * shift - 0.05 * i for i, subject in enumerate(subjects)}
        write(root, small_record(model, dsc, reliability=BINS))
        moved = {subject: np.roll(labels, shift, axis=2) for subject, labels in volumes.items()}
        write_masks(masks_path(record_path(root, PHANTOM.name, model, 0, 0)), moved)
    return root


@pytest.fixture
def found(root):
    return load_results(root, PHANTOM.name)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


class TestMasks:
    def test_disagreement_counts_pixels_that_any_network_sees_otherwise(self):
        one, two, three = (np.zeros((3, 4, 4), np.uint8) for _ in range(3))
        two[1, 0, :2] = 1
        three[1, 0, 1:3] = 2
        three[2, 0, 0] = 1
        masks = {"a": {"s": one}, "b": {"s": two}, "c": {"s": three}}
        assert disagreement(masks, "s").tolist() == [0, 3, 1]

    def test_every_subject_comes_once_before_any_comes_again(self):
        def masks(amount):
            found = {name: np.zeros((9, 8, 8), np.uint8) for name in amount}
            for name, by_slice in amount.items():
                for index, pixels in by_slice.items():
                    found[name][index].flat[:pixels] = 1
            return found

        nothing = {"s1": {}, "s2": {}}
        other = {"s1": {1: 9, 2: 8, 6: 7}, "s2": {4: 20, 8: 5}}
        both = {"a": masks(nothing), "b": masks(other)}
        assert choose_slices(both, 4) == [("s2", 4), ("s1", 1), ("s1", 6), ("s2", 8)]
        assert choose_slices(both, 1) == [("s2", 4)]

    def test_networks_without_a_common_subject_are_refused(self):
        volume = np.zeros((2, 2, 2), np.uint8)
        with pytest.raises(DataError, match="no subject was segmented by all of a, b"):
            choose_slices({"a": {"s1": volume}, "b": {"s2": volume}})

    def test_masks_of_another_shape_are_refused(self):
        masks = {"a": {"s": np.zeros((2, 2, 2), np.uint8)}, "b": {"s": np.zeros((2, 2, 3), np.uint8)}}
        with pytest.raises(DataError, match="differ in shape"):
            disagreement(masks, "s")

    def test_masks_are_found_beside_the_record_or_in_the_run(self, found, root, tmp_path):
        assert set(load_masks(found)) == set(MODELS)
        write(tmp_path / "results", small_record("daf", {"1": 0.5}))
        alone = load_results(tmp_path / "results", PHANTOM.name)
        with pytest.raises(DataError, match=r"fold0-seed0\.npz.*there are no masks"):
            load_masks(alone)
        run = run_folder(tmp_path / "runs", PHANTOM.name, Trial("daf"), "quick")
        write_masks(run / "predictions.npz", {"1": np.ones((2, 3, 4), np.uint8)})
        assert load_masks(alone, runs=tmp_path / "runs")["daf"]["1"].shape == (2, 3, 4)
        with pytest.raises(DataError, match="no record of seed 7"):
            load_masks(alone, seed=7)

    def test_side_by_side_shows_the_slices_asked_for(self, found, source):
        subject = found.subjects[0]
        titles = [ax.get_title() for ax in masks_side_by_side(found, source, slices=[(subject, 3)]).axes]
        assert titles[0] == f"reference\n{subject}, slice 3"
        assert titles[1] == "DAF\n0 px differ"
        assert [title.split("\n")[0] for title in titles[2:4]] == ["MS-Dual-Guided", "U-Net"]
        chosen = masks_side_by_side(found, source, count=2)
        assert sum(ax.get_title().startswith("reference") for ax in chosen.axes) == 2

    def test_wrong_slices_and_sources_are_refused(self, found, source, tmp_path):
        with pytest.raises(SettingsError, match="slices 0 to"):
            masks_side_by_side(found, source, slices=[(found.subjects[0], 999)])
        with pytest.raises(SettingsError, match="no test subject of daf"):
            masks_side_by_side(found, source, slices=[(source.subjects[-1], 0)])
        other = DataSet("phantom-t2spir", "T2-SPIR", synthetic=True)
        write(tmp_path, small_record("daf", {"1": 0.5}, dataset=other))
        with pytest.raises(DataError, match="the records are of phantom-t2spir"):
            masks_side_by_side(load_results(tmp_path, other.name), source)


class TestPictures:
    def test_box_plots_have_a_dot_for_every_subject(self, found):
        axes = box_plots(found, ["dsc"]).axes
        assert [ax.get_title() for ax in axes] == ["liver", "right kidney", "left kidney", "spleen", "mean"]
        dots = [line for line in axes[-1].lines if line.get_marker() == "o"]
        np.testing.assert_allclose([sorted(line.get_xdata()) for line in dots], [[85, 90], [75, 80], [65, 70]])

    def test_curves_and_reliability_are_the_records(self, found):
        figure = convergence_curves(found)
        assert figure.axes[0].get_title() == "DAF\nbest epoch 2"
        assert "synthetic" in figure.get_suptitle()
        assert reliability_diagram(found, ["daf"]).axes[0].get_title() == "DAF\nECE 8.0 points"

    def test_reliability_without_measurement_is_an_error(self, tmp_path):
        alone = load_results(write(tmp_path, small_record("daf", {"1": 0.5})), PHANTOM.name)
        with pytest.raises(DataError, match="no record holds the reliability"):
            reliability_diagram(alone)


@pytest.fixture(scope="module")
def out(root, scans, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    main(["report", "--results", str(root), "--dataset", PHANTOM.name, "--data", str(scans), "--out", str(out)])
    return out


class TestReport:
    def test_the_page_shows_every_file_and_every_file_is_on_it(self, out):
        page = (out / "index.md").read_text()
        linked = set(re.findall(r"\]\(([^)]+)\)", page))
        assert linked == {path.name for path in out.iterdir()} - {"index.md", "numbers.json"}
        assert {"fig4-box-plots.svg", "fig5-convergence.svg", "fig6-masks.png", "reliability.svg"} <= linked
        assert all(alt for alt in re.findall(r"!\[([^]]*)\]", page))
        assert "patient's right is on the picture's left" in page

    def test_numbers_tables_and_digest_are_those_of_the_functions(self, out, found):
        assert json.loads((out / "numbers.json").read_text()) == numbers(found)
        page = (out / "index.md").read_text()
        assert report_digest(found) in page
        assert table_one(found).to_markdown() in page
        assert (out / "table1.csv").read_text() == table_one(found).to_csv()

    def test_the_same_records_give_the_same_bytes(self, out, found, source, tmp_path):
        write_report(found, tmp_path / "again", source)
        for path in out.iterdir():
            assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name

    def test_without_the_data_set_it_says_what_is_left_out(self, tmp_path, capsys):
        write(tmp_path / "results", small_record("ms-dual-guided", {"1": 0.5, "2": 0.6}))
        name = ["--results", str(tmp_path / "results"), "--dataset", PHANTOM.name]
        main(["report", *name, "--out", str(tmp_path / "out")])
        page = (tmp_path / "out" / "index.md").read_text()
        assert "`--data`" in page
        assert "comparisons" not in page
        assert "Without a record" in capsys.readouterr().out
        with pytest.raises(SystemExit) as stopped:
            main(["report", *name, "--preset", "paper"])
        assert stopped.value.code == 2
        assert "preset paper" in capsys.readouterr().err

    def test_masks_of_patients_are_found_in_the_folder_of_the_runs_or_nothing_is_written(
        self, scans, tmp_path, capsys, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        write(tmp_path / "results", small_record("daf", {"1": 0.5}))
        run = run_folder(tmp_path / "runs", PHANTOM.name, Trial("daf"), "quick")
        write_masks(run / "predictions.npz", {"1": np.zeros_like(open_source(scans).read("1").labels)})
        with pytest.raises(SystemExit):
            main(["report", "--data", str(scans), "--runs", "elsewhere"])
        assert "there are no masks of this record" in capsys.readouterr().err
        assert not (tmp_path / "report").exists()
        main(["report", "--data", str(scans)])  # as `experiment` writes them without being told where
        assert (tmp_path / "report" / PHANTOM.name / "fig6-masks.png").is_file()

    def test_without_a_name_every_data_set_gets_a_report(self, root, scans, tmp_path, capsys):
        other = DataSet("nifti-x", "not stated", synthetic=False)
        write(tmp_path / "results", small_record("daf", {"1": 0.5}), small_record("daf", {"a": 0.5}, dataset=other))
        masks = {s: np.zeros_like(open_source(scans).read(s).labels) for s in ("1",)}
        write_masks(masks_path(record_path(tmp_path / "results", PHANTOM.name, "daf", 0, 0)), masks)
        where = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]
        main(["report", *where, "--data", str(scans)])
        pages = {path.parent.name: path.read_text() for path in (tmp_path / "out").glob("*/index.md")}
        assert set(pages) == {PHANTOM.name, "nifti-x"}
        assert "fig6-masks.png" in pages[PHANTOM.name]
        assert "fig6-masks.png" not in pages["nifti-x"]
        with pytest.raises(SystemExit):
            main(["report", "--results", str(tmp_path / "nothing")])
        assert "found no folder of a data set" in capsys.readouterr().err


@pytest.mark.parametrize(
    "folder", sorted({path.parents[1] for path in RESULTS.rglob("fold*-seed*.json")}), ids=lambda path: path.name
)
def test_the_committed_records_make_a_table(folder):
    found = load_results(folder.parent, folder.name)
    rows = [row for row in table_one(found).rows if row[1:3] == ("MS-Dual-Guided", "measured")]
    recorded = (folder / "ms-dual-guided").is_dir()  # a folder may hold one network alone
    assert rows
    assert all(("±" in cell) == recorded for row in rows for cell in row[3:8])
