"""Scores per organ and subject, and their averages."""

from __future__ import annotations

import math

import numpy as np
import pytest

from guided_attention.data.volume import ORGANS, Volume
from guided_attention.errors import DataError, SettingsError
from guided_attention.evaluation.challenge import chaos_score
from guided_attention.evaluation.overlap import (
    average_symmetric_surface_distance,
    dice,
    hausdorff_distance_95,
    maximum_surface_distance,
    mean_surface_distance,
    normalised_surface_dice,
    relative_absolute_volume_difference,
    volume_similarity,
)
from guided_attention.evaluation.scores import METRICS, NSD_TOLERANCE, OrganScore, SubjectScores, evaluate_subject
from guided_attention.evaluation.summary import subject_table, summarise, summary_table

SPACING = (7.7, 1.25, 1.5)


def volume(labels, subject="1", spacing=SPACING):
    return Volume(np.zeros(labels.shape, np.float32), labels.astype(np.uint8), spacing, subject)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    reference = np.zeros((6, 16, 16), np.uint8)
    reference[1:4, 2:8, 2:8] = 1
    reference[2:5, 9:14, 2:6] = 2
    reference[2:5, 9:14, 9:13] = 3  # missed below
    predicted = np.where(rng.random(reference.shape) < 0.1, 0, reference)
    predicted[predicted == 3] = 0
    predicted[1:3, 1:3, 12:15] = 4  # invented
    return volume(predicted), volume(reference)


def test_each_organ_gets_the_metrics_of_its_own_masks(pair):
    prediction, reference = pair
    scores = evaluate_subject(prediction, reference)
    assert [score.organ for score in scores.organs] == list(ORGANS)
    for value, organ in enumerate(ORGANS, start=1):
        pred, ref = prediction.labels == value, reference.labels == value
        score = scores[organ]
        assert score.dsc == dice(pred, ref)
        assert score.vs == volume_similarity(pred, ref)
        assert score.ravd_percent == relative_absolute_volume_difference(pred, ref)
        assert score.msd_voxels == mean_surface_distance(pred, ref)
        assert score.msd_mm == mean_surface_distance(pred, ref, SPACING)
        assert score.assd_mm == average_symmetric_surface_distance(pred, ref, SPACING)
        assert score.maximum_mm == maximum_surface_distance(pred, ref, SPACING)
        assert score.hd95_mm == hausdorff_distance_95(pred, ref, SPACING)
        assert score.nsd == normalised_surface_dice(pred, ref, NSD_TOLERANCE, SPACING)
        assert (score.predicted_voxels, score.reference_voxels) == (pred.sum(), ref.sum())
    liver = scores["liver"]
    assert liver.chaos == chaos_score(liver.dsc, liver.ravd_percent, liver.msd_mm, liver.maximum_mm)
    assert [score.presence for score in scores.organs] == ["both", "both", "missed", "invented"]
    assert [scores[organ].chaos for organ in ("kidney_left", "spleen")] == [0.0, 0.0]


def test_reliability_is_taken_where_either_says_organ(pair):
    prediction, reference = pair
    sure = np.full(reference.shape, 0.9, np.float32)
    bins = evaluate_subject(prediction, reference, sure).reliability
    either = (prediction.labels > 0) | (reference.labels > 0)
    assert sum(bins.count) == bins.count[13] == either.sum()
    assert bins.accuracy[13] == pytest.approx((prediction.labels == reference.labels)[either].mean())
    assert evaluate_subject(prediction, reference).reliability is None
    with pytest.raises(DataError, match="expected confidence of shape"):
        evaluate_subject(prediction, reference, sure[0])


def test_perfect_prediction(pair):
    scores = evaluate_subject(pair[1], pair[1])
    liver = scores["liver"]
    assert (liver.dsc, liver.vs, liver.chaos) == (1.0, 1.0, 100.0)
    assert (liver.msd_voxels, liver.msd_mm, liver.ravd_percent, liver.assd_mm, liver.maximum_mm) == (0, 0, 0, 0, 0)
    assert (liver.hd95_mm, liver.nsd) == (0, 1)


def test_organ_absent_from_both_is_not_a_number_and_stays_out_of_the_mean(pair):
    scores = evaluate_subject(pair[1], pair[1])
    assert scores["spleen"].presence == "neither"
    assert all(math.isnan(getattr(scores["spleen"], metric)) for metric in METRICS)
    assert scores.mean("dsc") == 1.0


def test_missed_organ_scores_nothing_even_in_a_tiny_volume():
    organ = volume(np.ones((2, 2, 2)), spacing=(1, 1, 1))
    missed = evaluate_subject(organ.with_labels(np.zeros((2, 2, 2), np.uint8)), organ)["liver"]
    assert missed.maximum_mm == pytest.approx(math.sqrt(12))
    assert missed.chaos == 0.0


def test_what_does_not_belong_together_is_refused(pair):
    prediction, reference = pair
    with pytest.raises(DataError, match=r"subject '1': the reference has no labels"):
        evaluate_subject(prediction, reference.with_labels(None))
    with pytest.raises(DataError, match=r"subject '1': the prediction has no labels"):
        evaluate_subject(prediction.with_labels(None), reference)
    with pytest.raises(DataError, match=r"must share shape and spacing"):
        evaluate_subject(volume(prediction.labels[1:]), reference)
    with pytest.raises(DataError, match=r"must share shape and spacing"):
        evaluate_subject(volume(prediction.labels, spacing=(1, 1, 1)), reference)
    with pytest.raises(DataError, match=r"belongs to subject '2'"):
        evaluate_subject(volume(prediction.labels, subject="2"), reference)


def test_unknown_organ_is_named(pair):
    with pytest.raises(SettingsError, match=r"expected one of liver, .*found 'heart'"):
        evaluate_subject(*pair)["heart"]


def subject(name, *dice_values):
    rest = dict.fromkeys(METRICS, 1.0)
    organs = [
        OrganScore(organ, 1, 1, **{**rest, **({"dsc": d} if not math.isnan(d) else dict.fromkeys(METRICS, d))})
        for organ, d in zip(ORGANS, dice_values, strict=True)
    ]
    return SubjectScores(name, tuple(organs))


def test_summary_worked_out_by_hand():
    nan = float("nan")
    summary = summarise([subject("1", 0.8, 0.6, 0.4, nan), subject("2", 0.6, 0.8, nan, nan)])
    liver, left, spleen, mean = (summary[name]["dsc"] for name in ("liver", "kidney_left", "spleen", "mean"))
    assert (liver.mean, liver.std) == pytest.approx((0.7, math.sqrt(0.02)))
    assert (liver.count, liver.absent) == (2, 0)
    assert (left.mean, left.count, left.absent) == (0.4, 1, 1)
    assert math.isnan(left.std)
    assert math.isnan(spleen.mean)
    assert (spleen.count, spleen.absent) == (0, 2)
    # Subject means 0.6 and 0.7; three organs left out altogether.
    assert (mean.mean, mean.std) == pytest.approx((0.65, math.sqrt(0.005)))
    assert (mean.count, mean.absent) == (2, 3)
    assert list(summary) == [*ORGANS, "mean"]
    assert all(list(row) == list(METRICS) for row in summary.values())


def test_summary_does_not_depend_on_the_order_of_subjects():
    scores = [subject(str(i), 0.1 * i, 0.5, 0.3, 0.9) for i in range(5)]
    one, other = summarise(scores), summarise(scores[::-1])
    for organ, row in one.items():
        for metric, statistic in row.items():
            assert (statistic.mean, statistic.std) == pytest.approx(
                (other[organ][metric].mean, other[organ][metric].std)
            )


def test_summary_refuses_nothing_and_doubles():
    with pytest.raises(DataError, match="at least one subject"):
        summarise([])
    with pytest.raises(DataError, match="more than one of 7"):
        summarise([subject("7", 1, 1, 1, 1), subject("7", 1, 1, 1, 1)])


def test_table_has_a_row_for_each_organ_and_says_what_is_absent():
    nan = float("nan")
    lines = summary_table(summarise([subject("1", 0.8, 0.6, 0.4, nan), subject("2", 0.6, 0.8, 0.5, nan)])).splitlines()
    assert [line.split()[0] for line in lines] == ["organ", *ORGANS, "mean"]
    assert "0.700 ± 0.141" in lines[1]
    assert [line.split()[-1] for line in lines[1:]] == ["0", "0", "0", "2", "2"]


def test_subject_table_has_a_row_for_each_subject_and_organ(pair):
    lines = subject_table([evaluate_subject(*pair)]).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["1", organ] for organ in ORGANS]
    assert [line.split()[-1] for line in lines[1:]] == ["both", "both", "missed", "invented"]
    assert "nan" in subject_table([evaluate_subject(pair[1], pair[1])])
