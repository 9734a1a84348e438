"""Tables I and II: which records may stand in one table, and that its numbers are those worked out on paper."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from statistics import mean, stdev

import pytest

from guided_attention.data.volume import ORGANS
from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.summary import summarise
from guided_attention.experiments.record import record_path
from guided_attention.experiments.run_record import DataSet
from guided_attention.models import MODELS
from guided_attention.report import Table, load_results, published, subject_values, summary_of, table_one, table_two
from report_records import NAN, PHANTOM, small_record, write

NAME = PHANTOM.name


def cells(table: Table) -> dict[tuple[str, str, str], dict[str, str]]:
    rows = csv.DictReader(io.StringIO(table.to_csv()))
    return {(row["metric"], row["network"], row["numbers"]): row for row in rows}


class TestLoading:
    def test_networks_come_in_the_books_order_and_the_missing_ones_are_named(self, tmp_path):
        write(tmp_path, *(small_record(m, {"a": 0.5, "b": 0.6}) for m in ("unet", "pam", "daf")))
        found = load_results(tmp_path, NAME)
        assert found.models == ("daf", "pam", "unet")
        assert found.missing == tuple(m for m in MODELS if m not in ("daf", "pam", "unet"))
        assert found.subjects == ("a", "b")
        assert found.quick
        assert "synthetic" in found.label
        assert "quick run" in found.label
        assert "danet" in found.warnings[0]

    def test_a_cell_that_only_others_have_is_a_gap(self, tmp_path):
        records = [small_record("daf", {"a": 0.5}), small_record("daf", {"b": 0.5}, fold=1)]
        write(tmp_path, *records, small_record("pam", {"a": 0.5}))
        found = load_results(tmp_path, NAME)
        assert found.gaps == (("pam", 1, 0),)
        assert "pam fold 1 seed 0" in " ".join(table_one(found).notes)
        assert load_results(tmp_path, NAME, folds=[0]).gaps == ()

    def test_data_sets_never_mix(self, tmp_path):
        other = DataSet("nifti-x", "not stated", synthetic=False)
        write(tmp_path, small_record("daf", {"a": 0.5}), small_record("pam", {"a": 0.9}, dataset=other))
        assert load_results(tmp_path, NAME).models == ("daf",)
        found = load_results(tmp_path, "nifti-x")
        assert found.models == ("pam",)
        assert "synthetic" not in found.label

    def test_a_record_in_another_data_sets_folder_is_refused(self, tmp_path):
        write(tmp_path, small_record("daf", {"a": 0.5}))
        path = record_path(tmp_path, NAME, "daf", 0, 0)
        wrong = tmp_path / "nifti-x" / "daf" / path.name
        wrong.parent.mkdir(parents=True)
        path.rename(wrong)
        with pytest.raises(DataError, match=str(path)):
            load_results(tmp_path, "nifti-x")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"preset": "paper"}, "'quick' and 'paper'"),
            ({"size": 64}, "inputs"),
            ({"train": ("t1", "t3")}, "split of fold 0"),
        ],
    )
    def test_what_cannot_be_compared_is_refused_by_file(self, tmp_path, change, said):
        write(tmp_path, small_record("daf", {"a": 0.5}), small_record("pam", {"a": 0.6}, **change))
        with pytest.raises(DataError, match=said) as caught:
            load_results(tmp_path, NAME)
        for model in ("daf", "pam"):
            assert str(record_path(tmp_path, NAME, model, 0, 0)) in str(caught.value)

    def test_a_preset_can_be_chosen(self, tmp_path):
        write(tmp_path, small_record("daf", {"a": 0.5}), small_record("pam", {"a": 0.6}, preset="paper"))
        found = load_results(tmp_path, NAME, preset="paper")
        assert (found.models, found.quick) == (("pam",), False)
        assert "published protocol" in found.label

    def test_networks_of_two_sizes_are_refused(self, tmp_path):
        large = small_record("unet", {"b": 0.5}, fold=1)
        large = replace(large, model=replace(large.model, options={"channels": 64}))
        write(tmp_path, small_record("unet", {"a": 0.5}), large)
        with pytest.raises(DataError, match="options of unet"):
            load_results(tmp_path, NAME)

    def test_a_subject_tested_in_two_folds_is_refused(self, tmp_path):
        write(tmp_path, small_record("daf", {"a": 0.5}), small_record("daf", {"a": 0.6}, fold=1))
        with pytest.raises(DataError, match="fold that tests subject 'a' in one report, found 0 and 1"):
            load_results(tmp_path, NAME)

    def test_no_records_names_the_data_sets_that_are_there(self, tmp_path):
        write(tmp_path, small_record("daf", {"a": 0.5}))
        with pytest.raises(DataError, match=NAME):
            load_results(tmp_path, "chaos-t1dual-in")
        with pytest.raises(DataError, match="preset paper"):
            load_results(tmp_path, NAME, preset="paper")
        with pytest.raises(DataError, match="pam"):
            load_results(tmp_path, NAME).of("pam")


class TestSubjects:
    def test_seeds_are_averaged_first_and_folds_pooled(self, tmp_path):
        write(
            tmp_path,
            small_record("daf", {"2": 0.4, "10": 0.8}),
            small_record("daf", {"2": 0.6, "10": 0.8}, seed=1),
            small_record("daf", {"3": 0.2}, fold=1),
        )
        found = load_results(tmp_path, NAME)
        values = subject_values(found, "daf", organ="liver")
        assert values == pytest.approx({"2": 0.5, "3": 0.2, "10": 0.8})
        assert list(values) == ["2", "3", "10"]
        statistic = summary_of(found, "daf")["mean"]["dsc"]
        assert statistic.mean == pytest.approx(0.5)
        assert statistic.std == pytest.approx(0.3)  # of 0.5, 0.8, 0.2
        assert statistic.count == 3

    def test_one_seed_gives_what_the_records_own_summary_says(self, tmp_path):
        dsc = {"a": dict(zip(ORGANS, (0.9, 0.8, 0.7, NAN), strict=True)), "b": 0.4, "c": 0.6}
        record = small_record("daf", dsc)
        ours = summary_of(load_results(write(tmp_path, record), NAME), "daf")
        for organ, row in summarise(record.scores).items():
            for metric, theirs in row.items():
                assert ours[organ][metric].__dict__ == pytest.approx(theirs.__dict__, nan_ok=True)
        assert ours["mean"]["dsc"].absent == 1
        assert ours["spleen"]["dsc"].count == 2

    def test_unknown_names_are_refused(self, tmp_path):
        found = load_results(write(tmp_path, small_record("daf", {"a": 0.5})), NAME)
        for wrong in ({"metric": "iou"}, {"organ": "heart"}):
            with pytest.raises(SettingsError, match="choose one of"):
                subject_values(found, "daf", **wrong)


class TestPublished:
    def test_a_cell_of_each_table(self):
        assert published("I", "ms-dual-guided", "dsc", "mean") == pytest.approx((0.8675, 0.0505))
        assert published("II", "pan-resnet101", "msd_voxels", "spleen") == (1.30, 1.47)
        assert all(math.isnan(v) for v in published("I", "unet", "dsc", "mean"))
        assert all(math.isnan(v) for v in published("II", "unet", "msd_mm", "mean"))

    @pytest.mark.parametrize("metric", ["dsc", "vs", "msd_voxels"])
    def test_means_are_means_of_the_organs(self, metric):
        """As far as the paper rounds; its Table I and II agree where they share a network."""
        for number, models in (("I", MODELS[:6]), ("II", ("unet", "danet", "pan-resnet34", "attention-unet"))):
            for model in models:
                organs = [published(number, model, metric, organ)[0] for organ in ORGANS]
                tolerance = 0.011 if metric == "msd_voxels" else 0.00011
                assert published(number, model, metric, "mean")[0] == pytest.approx(mean(organs), abs=tolerance)
        for model in ("daf", "ms-dual-guided"):
            for organ in (*ORGANS, "mean"):
                assert published("I", model, metric, organ) == published("II", model, metric, organ)


class TestTables:
    @pytest.fixture
    def found(self, tmp_path):
        write(
            tmp_path,
            small_record("daf", {"a": 0.5, "b": 0.6, "c": 0.9}),
            small_record("unet", {"a": 0.5, "b": NAN, "c": 1.0}),
        )
        return load_results(tmp_path, NAME)

    def test_measured_and_published_stand_under_each_other(self, found):
        rows = cells(table_one(found))
        dsc = [50, 60, 90]
        measured = rows["DSC (%)", "DAF", "measured"]
        assert measured["liver"] == measured["mean"] == f"{mean(dsc):.2f} ± {stdev(dsc):.2f}"
        assert (measured["subjects"], measured["absent"]) == ("3", "0")
        assert rows["MSD (voxels)", "DAF", "measured"]["spleen"] == f"{mean([5, 4, 1]):.2f} ± {stdev([5, 4, 1]):.2f}"
        theirs = rows["DSC (%)", "DAF", "published, T1-DUAL"]
        assert (theirs["right kidney"], theirs["subjects"]) == ("79.28 ± 18.68", "15")
        assert rows["VS (%)", "CAM", "measured"]["liver"] == "–"

    def test_rows_are_the_papers(self, found):
        order = [row[1] for row in table_two(found, ["dsc"]).rows if row[2] == "measured"]
        assert order == ["U-Net", "DANet", "PAN-ResNet34", "PAN-ResNet101", "DAF", "Attention U-Net", "MS-Dual-Guided"]
        assert len(table_one(found).rows) == 3 * 6 * 2

    def test_an_absent_organ_is_counted_not_averaged(self, found):
        row = cells(table_two(found))["DSC (%)", "U-Net", "measured"]
        assert row["mean"] == f"75.00 ± {stdev([50, 100]):.2f}"
        assert (row["subjects"], row["absent"]) == ("2", "4")

    def test_a_metric_that_the_paper_lacks_has_no_published_row(self, found):
        assert {row[2] for row in table_one(found, ["msd_mm"]).rows} == {"measured"}

    def test_of_other_organs_only_what_was_measured_has_rows(self, tmp_path):
        others = DataSet("nifti-others", "not stated", synthetic=False, classes=("background", *ORGANS[::-1]))
        write(tmp_path, small_record("unet", {"a": 0.5, "b": 0.7}, dataset=others))
        found = load_results(tmp_path, others.name)
        assert table_one(found).rows == ()
        assert {(row[1], row[2]) for row in table_two(found).rows} == {("U-Net", "measured")}

    def test_says_what_its_numbers_are(self, found, tmp_path):
        table = table_one(found)
        assert NAME in table.title
        assert "synthetic" in table.title
        assert any("quick run" in note for note in table.notes)
        assert any("another data set" in note for note in table.notes)
        real = DataSet("chaos-t1dual-in", "T1-DUAL in-phase", synthetic=False)
        write(tmp_path, small_record("daf", {"a": 0.5}, dataset=real, preset="paper"))
        table = table_one(load_results(tmp_path, real.name), ["dsc"])
        assert {row[2] for row in table.rows} == {"measured", "published"}
        assert not any("quick run" in note or "another data set" in note for note in table.notes)
        assert cells(table)["DSC (%)", "DAF", "measured"]["liver"] == "50.00 ± –"


class TestForms:
    table = Table("A & B: 50 %", ("network", "x_1"), (("a|b", "<1 ± 2>"), ("c", "–")), ("Note_1.",))

    def test_markdown(self):
        assert self.table.to_markdown().splitlines() == [
            *("**A & B: 50 %**", "", "| network | x_1 |", "| --- | ---: |", "| a\\|b | <1 ± 2> |", "| c | – |"),
            *("", "Note_1."),
        ]
        assert str(self.table) == self.table.to_markdown()

    def test_html_is_well_formed_and_escaped(self):
        from xml.etree import ElementTree

        page = ElementTree.fromstring(f"<div>{self.table._repr_html_()}</div>")
        assert [cell.text for cell in page.iter("td")] == ["a|b", "<1 ±\u00a02>", "c", "–"]
        assert page.find("table/caption").text == "A & B: 50 %"

    def test_latex_has_no_bare_special_character(self):
        text = self.table.to_latex()
        assert r"\caption{A \& B: 50 \%}" in text
        assert r"<1 $\pm$ 2> \\" in text
        assert r"x\_1" in text
        assert r"\footnotesize Note\_1." in text

    def test_a_row_of_another_length_is_refused(self):
        with pytest.raises(ValueError, match="expected 2 cells"):
            replace(self.table, rows=(("a",),))
