"""Loss playground without a browser: recorded terms, weights, shares, and what cannot be weighed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib import pyplot as plt

from guided_attention.errors import DataError, SettingsError
from guided_attention.experiments.record import read_record
from guided_attention.paths import results_folder
from guided_attention.training.history import as_csv
from guided_attention.training.losses import LossWeights
from guided_attention.widgets import LossPlayground

FOLDER = results_folder() / "phantom-t1dual-in"
HISTORY = [
    {"epoch": 1, "segmentation": 8.0, "guided": 2.0, "reconstruction": 5.0, "loss": 9.0, "dice": 0.2},
    {"epoch": 2, "segmentation": 1.0, "guided": 0.4, "reconstruction": 3.0, "loss": 1.4, "dice": 0.7},
]


@pytest.mark.parametrize("dataset", ["phantom-t1dual-in", "nifti-chaos_t2spir"])
def test_with_the_weights_of_the_run_the_total_is_the_recorded_loss(dataset):
    record = read_record(results_folder() / dataset / "ms-dual-guided" / "fold0-seed0.json")
    play = LossPlayground.from_record(record)
    np.testing.assert_allclose(play.total(), [row["loss"] for row in record.curve], rtol=1e-5)
    assert play.data["dice"] == [row["dice"] for row in record.curve]
    assert play.epoch == record.curve[-1]["epoch"]
    assert ("synthetic" if record.dataset.synthetic else "real") in play.data["name"]


def test_weights_and_shares():
    play = LossPlayground(HISTORY, epoch=1)
    assert play.total().tolist() == pytest.approx([9.0, 1.4])
    assert play.shares() == pytest.approx({"segmentation": 8 / 9, "guided": 0.5 / 9, "reconstruction": 0.5 / 9})
    play.alpha, play.beta, play.gamma = 0.0, 2.0, 0.0
    assert play.weighted()["guided"].tolist() == [4.0, 0.8]
    assert play.shares()["guided"] == 1
    play.beta = 0.0
    assert all(math.isnan(share) for share in play.shares().values())
    assert "guided nothing" in play.alt


def test_a_file_says_the_same_as_a_history(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(as_csv(HISTORY))
    assert LossPlayground(path).data == LossPlayground(HISTORY).data
    assert LossPlayground.from_record(str(FOLDER / "ms-dual-guided" / "fold0-seed0.json")).data["terms"]


def test_it_starts_with_the_weights_of_the_run():
    play = LossPlayground(HISTORY, weights=LossWeights(beta=0.5), gamma=0.3)
    assert (play.alpha, play.beta, play.gamma) == (1.0, 0.5, 0.3)
    assert [term["trained"] for term in play.data["terms"]] == [1.0, 0.5, 0.1]
    assert play.data["paper"] == {"alpha": 1.0, "beta": 0.25, "gamma": 0.1}


def test_two_terms_are_enough():
    play = LossPlayground([{k: v for k, v in row.items() if k != "guided"} for row in HISTORY])
    assert list(play.weighted()) == ["segmentation", "reconstruction"]


@pytest.mark.parametrize("name", ["daf", "danet", "ms-dual", "unet"])
def test_networks_without_guidance_have_nothing_to_weigh(name):
    with pytest.raises(SettingsError, match=rf"{name} on .* found segmentation\. Networks without guidance"):
        LossPlayground.from_record(FOLDER / name / "fold0-seed0.json")


def test_questions_that_make_no_sense(tmp_path):
    with pytest.raises(SettingsError, match="at least one epoch"):
        LossPlayground([])
    with pytest.raises(SettingsError, match="at least one epoch, each with its number"):
        LossPlayground([{"segmentation": 1.0}])
    with pytest.raises(SettingsError, match="found none"):
        LossPlayground([{"epoch": 1}])
    with pytest.raises(SettingsError, match="guided is not finite"):
        LossPlayground([{**HISTORY[0], "guided": math.nan}])
    with pytest.raises(SettingsError, match="epoch=7 was not recorded; there are 1 to 2"):
        LossPlayground(HISTORY, epoch=7)
    with pytest.raises(DataError, match="there is no such history"):
        LossPlayground(tmp_path / "history.csv")
    (tmp_path / "odd.csv").write_text("epoch,loss\n1,much\n")
    with pytest.raises(DataError, match=r"odd\.csv: expected the history\.csv of a run"):
        LossPlayground(tmp_path / "odd.csv")
    with pytest.raises(DataError, match="there is no such record"):
        LossPlayground.from_record(tmp_path / "record.json")


def test_picture_and_words():
    play = LossPlayground(HISTORY)
    figure = play.picture()
    assert figure.axes[0].get_xlabel() == "epoch"
    plt.close(figure)
    assert "beta 0.25" in play.alt
    assert "At epoch 2 the total is 1.400" in play.alt
    assert len(play.to_html()) < 80_000
