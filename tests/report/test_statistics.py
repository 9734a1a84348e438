"""Paired tests, intervals, costs and calibration, against SciPy, PyTorch and numbers by hand."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.calibration import Reliability
from guided_attention.experiments.run_record import Cost
from guided_attention.models import build_model
from guided_attention.report import (
    ablation_steps,
    best_epoch,
    bootstrap_mean,
    calibration_table,
    cost_table,
    load_results,
    mean_intervals,
    network_cost,
    numbers,
    paired_tests,
    pooled_reliability,
    provenance_table,
    report_digest,
)
from guided_attention.report.statistics import signed_rank, smallest_p
from report_records import NAN, PHANTOM, small_record, write

DSC = {
    "ms-dual-guided": {"a": 0.80, "b": 0.82, "c": 0.75, "d": 0.90, "e": 0.85},
    "daf": {"a": 0.70, "b": 0.80, "c": 0.70, "d": 0.86, "e": 0.84},
    "unet": {"a": 0.83, "b": 0.80, "c": 0.74, "d": 0.95, "e": 0.91},
}


@pytest.fixture
def found(tmp_path):
    write(tmp_path, *(small_record(model, dsc) for model, dsc in DSC.items()))
    return load_results(tmp_path, PHANTOM.name)


class TestSignedRank:
    @pytest.mark.parametrize(
        ("d", "p"),
        [
            ([0.1, 0.2, 0.3, 0.4, 0.5], 2 / 32),  # all plus and all minus
            ([-1, 2, 2, 3], 4 / 16),  # ranks 1, 2.5, 2.5, 4: the sum 8 is as extreme with the first sign turned
            ([0, 1, 2, 2], 2 / 8),  # the zero keeps its rank, so that the others have 2, 3.5, 3.5, and has no sign
            ([0.2 - 0.1, 0.2 - 0.3, 0.5], 6 / 8),  # a tie but for the last digit: ranks 1.5, 1.5, 3
            ([0.0, 0.0], 1),
            ([0.3], 1),
        ],
    )
    def test_by_hand(self, d, p):
        assert signed_rank(d) == p

    @pytest.mark.parametrize("seed", range(3))
    def test_every_sign_pattern_is_tried_and_without_ties_it_is_scipys_exact_test(self, seed):
        rng = np.random.default_rng(seed)
        tied = rng.integers(-2, 4, 8)
        ranks = stats.rankdata(abs(tied)) * (tied != 0)
        sums = np.array(list(product((-1, 1), repeat=8))) @ ranks
        assert signed_rank(tied) == np.mean(abs(sums) >= abs(np.sign(tied) @ ranks))
        free = rng.normal(0.5, 1, 15)
        assert signed_rank(free) == pytest.approx(stats.wilcoxon(free, method="exact").pvalue)

    def test_many_subjects_agree_with_the_normal_approximation(self):
        d = np.random.default_rng(4).normal(0.2, 1, 40)
        assert signed_rank(d) == pytest.approx(stats.wilcoxon(d, method="approx").pvalue, abs=0.01)
        assert signed_rank(d) == signed_rank(d)
        assert math.isnan(signed_rank([]))

    def test_the_smallest_p_is_that_of_one_sign(self):
        assert [smallest_p(n) for n in (1, 5, 15)] == [1, signed_rank(np.arange(1, 6)), signed_rank(np.arange(1, 16))]


class TestPairedTests:
    def test_differences_p_and_holm(self, found):
        rows = {row.model: row for row in paired_tests(found).rows}
        assert set(rows) == {"daf", "unet"}
        d = {m: [DSC[m][s] - DSC["ms-dual-guided"][s] for s in "abcde"] for m in rows}
        for model, row in rows.items():
            assert (row.reference, row.n, row.smallest_p) == ("ms-dual-guided", 5, 0.0625)
            assert row.difference == pytest.approx(np.mean(d[model]))
            assert row.p == pytest.approx(stats.wilcoxon(np.round(d[model], 6), method="exact").pvalue)
            assert row.low < row.difference < row.high
        assert (rows["daf"].better, rows["unet"].better) == (0, 3)
        # Holm by hand: the smaller p times two, and the other at least as large.
        assert rows["daf"].p_holm == 2 * rows["daf"].p == 0.125
        assert rows["unet"].p_holm == max(0.125, rows["unet"].p)

    def test_smaller_is_better_for_distances(self, found):
        better = {row.model: row.better for row in paired_tests(found, metric="msd_voxels").rows}
        assert better == {"daf": 0, "unet": 3}

    def test_the_table_says_what_five_subjects_allow(self, found):
        text = str(paired_tests(found))
        assert "cannot fall below 0.0625" in text
        assert "Holm's correction for 2 comparisons" in text
        assert "126 different resamples" in text
        assert "| DAF | MS-Dual-Guided | 5 | -4.40 |" in text
        assert "synthetic" in text

    def test_fifteen_subjects_allow_more(self, tmp_path):
        subjects = [f"s{i}" for i in range(15)]
        write(
            tmp_path,
            small_record("daf", {s: 0.5 + 0.01 * i for i, s in enumerate(subjects)}),
            small_record("ms-dual-guided", {s: 0.6 + 0.011 * i for i, s in enumerate(subjects)}),
        )
        comparisons = paired_tests(load_results(tmp_path, PHANTOM.name))
        assert comparisons.rows[0].p == pytest.approx(2 / 2**15)
        assert "cannot" not in str(comparisons)

    def test_only_subjects_with_both_scores_count(self, tmp_path):
        write(
            tmp_path,
            small_record("daf", {"a": 0.5, "b": NAN, "c": 0.5}),
            small_record("ms-dual-guided", {"a": 0.7, "b": 0.6, "c": 0.6}),
        )
        (row,) = paired_tests(load_results(tmp_path, PHANTOM.name)).rows
        assert (row.n, row.difference) == (2, pytest.approx(-0.15))

    def test_the_steps_of_the_ablation(self, tmp_path):
        dsc = {"daf": 0.5, "cam": 0.55, "dual": 0.6, "ms-dual-guided": 0.7}
        write(tmp_path, *(small_record(m, {"a": v, "b": v + 0.01, "c": v + 0.02}) for m, v in dsc.items()))
        rows = ablation_steps(load_results(tmp_path, PHANTOM.name)).rows
        assert [(r.model, r.reference) for r in rows] == [("cam", "daf"), ("dual", "daf")]
        assert [r.difference for r in rows] == pytest.approx([0.05, 0.1])
        assert [r.p_holm for r in rows] == pytest.approx([2 * 0.25, 2 * 0.25])
        write(tmp_path / "x", small_record("daf", {"a": 0.5}))
        with pytest.raises(DataError, match="a step needs two"):
            ablation_steps(load_results(tmp_path / "x", PHANTOM.name))

    def test_nothing_to_compare_is_said(self, tmp_path):
        found = load_results(write(tmp_path, small_record("ms-dual-guided", {"a": 0.5})), PHANTOM.name)
        with pytest.raises(DataError, match="nothing to compare"):
            paired_tests(found)
        write(tmp_path, small_record("daf", {"b": 0.5}, fold=1))
        with pytest.raises(DataError, match="no test subject"):
            paired_tests(load_results(tmp_path, PHANTOM.name))


class TestIntervals:
    def test_it_is_scipys_bca_interval(self):
        values = np.random.default_rng(0).gamma(2, size=12)
        theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000).confidence_interval
        low, high = bootstrap_mean([*values, NAN])
        assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.05)
        assert low < values.mean() < high
        assert bootstrap_mean(values) == bootstrap_mean(values)
        wider = bootstrap_mean(values, level=0.99)
        assert wider[0] < low < high < wider[1]

    @pytest.mark.parametrize("seed", range(4))
    def test_no_last_digit_decides(self, seed):
        """Sums are not the same to the last digit in every version of Python; intervals are."""
        values = np.random.default_rng(seed).uniform(size=5)
        assert bootstrap_mean(np.nextafter(values, 1)) == pytest.approx(bootstrap_mean(values), abs=1e-9)

    def test_edge_cases(self):
        assert all(math.isnan(v) for v in bootstrap_mean([0.5]))
        assert bootstrap_mean([0.5, 0.5, 0.5]) == (0.5, 0.5)
        with pytest.raises(SettingsError, match="level=95"):
            bootstrap_mean([0.1, 0.2], level=95)

    def test_best_first(self, found):
        table = mean_intervals(found)
        assert [row[0] for row in table.rows] == ["U-Net", "MS-Dual-Guided", "DAF"]
        assert table.rows[0][1] == f"{100 * np.mean(list(DSC['unet'].values())):.2f}"
        assert [row[0] for row in mean_intervals(found, "msd_voxels").rows] == ["U-Net", "MS-Dual-Guided", "DAF"]


class TestCosts:
    def test_arithmetic_of_a_convolution_by_hand(self):
        """The last layer of this U-Net is a 1 x 1 convolution to one more class: 2 x channels x pixels more."""
        few, more = (network_cost("unet", {"channels": 4, "num_classes": n}, 32) for n in (5, 6))
        assert more.flops - few.flops == 2 * 4 * 32 * 32
        assert more.parameters - few.parameters == 4 + 1
        assert few.parameters == sum(p.numel() for p in build_model("unet", channels=4).parameters())

    @pytest.mark.parametrize("model", ["cam", "danet"])
    def test_it_counts_what_pytorch_counts_when_it_computes(self, model):
        from torch.utils.flop_counter import FlopCounterMode

        options = {"backbone": "resnet18"}
        plain = {} if model == "cam" else {"implementation": "plain"}
        network = build_model(model, **options, **plain).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, 1, 32, 32))
        assert network_cost(model, options, 32).flops == counter.get_total_flops()

    def test_position_attention_counts_whatever_kernel_runs_it(self):
        """Two products of every position with every other, 2 N² (d + C), in each of four modules."""
        n, channels = (64 // 4) ** 2, 64
        small, large = (network_cost("pam", {"backbone": "resnet18", "channels": channels}, size) for size in (64, 128))
        # All else grows with the pixels, so that four times the small network's cost leaves the attention.
        attention = 4 * 2 * n**2 * (channels // 8 + channels)
        assert large.flops - 4 * small.flops == pytest.approx((16 - 4) * attention, rel=1e-6)

    def test_table_of_times(self, tmp_path):
        write(
            tmp_path,
            small_record("unet", {"a": 0.5, "b": 0.5}, cost=Cost(100.0, 20.0, 2**30)),
            small_record("unet", {"c": 0.5, "d": 0.5}, fold=1, cost=Cost(300.0, 40.0, 2**31), curve=(0.1, 0.2, 0.3)),
            small_record("attention-unet", {"a": 0.5, "b": 0.5}, cost=Cost()),
        )
        table = cost_table(load_results(tmp_path, PHANTOM.name))
        rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
        unet = rows["U-Net"]
        assert (unet["training (s)"], unet["evaluation (s per volume)"]) == ("200", "15.00")
        assert (unet["peak memory (GiB)"], unet["epochs"], unet["best epoch"]) == ("2.00", "3", "2 to 3")
        assert unet["device"] == "a processor, 2 threads"
        assert rows["Attention U-Net"]["training (s)"] == rows["Attention U-Net"]["peak memory (GiB)"] == "–"

    def test_best_epoch_is_the_first_of_the_best(self):
        assert best_epoch(small_record("daf", {"a": 0.5}, curve=(0.2, 0.7, NAN, 0.7))) == 2
        assert best_epoch(small_record("daf", {"a": 0.5}, curve=())) is None


class TestCalibration:
    bins = Reliability((0,) * 13 + (30, 70), (NAN,) * 13 + (0.9, 1.0), (NAN,) * 13 + (0.5, 0.9))

    def test_numbers_by_hand(self, tmp_path):
        other = Reliability((0,) * 14 + (100,), (NAN,) * 14 + (0.98,), (NAN,) * 14 + (0.98,))
        write(
            tmp_path,
            small_record("daf", {"a": 0.5}, reliability=self.bins),
            small_record("daf", {"b": 0.5}, fold=1, reliability=other),
            small_record("pam", {"a": 0.5}),
        )
        found = load_results(tmp_path, PHANTOM.name)
        assert pooled_reliability(found, "pam") is None
        pooled = pooled_reliability(found, "daf")
        assert pooled.count[13:] == (30, 170)
        assert pooled.accuracy[14] == pytest.approx((63 + 98) / 170)
        table = calibration_table(found)
        sure, right = (27 + 70 + 98) / 200, (15 + 63 + 98) / 200
        error = (12 + 7) / 200
        assert table.rows == (("DAF", f"{100 * sure:.1f}", f"{100 * right:.1f}", f"{100 * error:.1f}", "200"),)
        assert any("Not measured: PAM" in note for note in table.notes)


class TestNumbers:
    def test_they_are_plain_and_hold_the_tables(self, found):
        content = numbers(found)
        assert json.loads(json.dumps(content, allow_nan=False)) == content
        assert content["networks"]["daf"]["summary"]["mean"]["dsc"]["mean"] == pytest.approx(0.78)
        assert content["networks"]["daf"]["calibration"] is None
        assert [row["model"] for row in content["comparisons"]["dsc"]] == ["daf", "unet"]
        assert content["steps"] == []
        assert "danet" in content["missing"]

    def test_the_digest_tells_records_apart(self, found, tmp_path):
        assert report_digest(found) == report_digest(load_results(tmp_path, PHANTOM.name))
        write(tmp_path, small_record("daf", {**DSC["daf"], "a": 0.701}))
        assert report_digest(found) != report_digest(load_results(tmp_path, PHANTOM.name))

    def test_every_record_says_where_it_comes_from(self, found):
        table = provenance_table(found)
        assert len(table.rows) == 3
        assert table.rows[0][:4] == ("DAF", "0", "0", "0" * 12)
        assert "2026-01-02" in table.rows[0][-1]
