"""What the preset ``standard`` adds to the paper's protocol: average, balance, warm-up, soft Dice, varied slices."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from guided_attention.data import Augmentation, SliceDataset
from guided_attention.data.variation import Variation
from guided_attention.errors import SettingsError
from guided_attention.models.output import SegmentationOutput
from guided_attention.training.average import WeightAverage
from guided_attention.training.batches import EpochBatches
from guided_attention.training.changes import Changes, vary
from guided_attention.training.devices import Where
from guided_attention.training.loop import fit
from guided_attention.training.losses import LossWeights, objective
from guided_attention.training.schedule import learning_rate
from guided_attention.training.settings import FitSettings, get_preset
from small_training import SETTINGS, TRAIN, VALIDATION, network

ALL = replace(
    SETTINGS, augmentation=Variation(elastic=1.0), loss=LossWeights(dice=1.0), warmup=1, average=0.9, balance=0.5
)


class TestAverage:
    def test_is_the_recursion_by_hand(self):
        model = nn.Linear(3, 2)
        optimizer = torch.optim.Adam(model.parameters(), 0.1)
        average, by_hand = WeightAverage(0.75, optimizer), None
        for step in range(4):
            optimizer.zero_grad()
            model(torch.full((1, 3), float(step + 1))).square().sum().backward()
            optimizer.step()
            average.update()
            weight = model.weight.detach().double().numpy().copy()
            by_hand = weight if by_hand is None else 0.75 * by_hand + 0.25 * weight
        average.exchange()
        np.testing.assert_allclose(model.weight.detach().numpy(), by_hand, rtol=1e-5)
        average.exchange()
        np.testing.assert_array_equal(model.weight.detach().numpy(), weight)

    def test_without_a_decay_nothing_is_kept(self):
        model = nn.Linear(3, 2)
        optimizer = torch.optim.Adam(model.parameters(), 0.1)
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        before = model.weight.detach().clone()
        average = WeightAverage(0.0, optimizer)
        average.update()
        average.exchange()
        assert torch.equal(model.weight, before)
        assert all("average" not in state for state in optimizer.state.values())

    def test_training_goes_on_from_the_weights_and_not_from_their_average(self):
        """The losses of training do not see that an average is kept beside."""
        plain, averaged = (
            fit(network(), TRAIN, VALIDATION, replace(SETTINGS, average=decay), progress=False) for decay in (0.0, 0.9)
        )
        assert [e["loss"] for e in plain.history] == [e["loss"] for e in averaged.history]
        assert [e["dice"] for e in plain.history] != [e["dice"] for e in averaged.history]


class TestBalance:
    def test_a_rare_organ_is_drawn_as_often_as_a_common_one(self):
        shown = [np.arange(90), np.array([95])]
        batches = EpochBatches(1000, 10, 0, balance=1.0, shown=shown)
        drawn = np.array([item for batch in batches for item in batch])
        assert len(drawn) == 1000
        assert 0.45 < (drawn == 95).mean() < 0.55

    def test_the_share_that_is_not_balanced_stays_a_shuffle(self):
        drawn = [i for batch in EpochBatches(1000, 10, 0, balance=0.3, shown=[np.array([5])]) for i in batch]
        others = [i for i in drawn if i != 5]
        assert len(set(others)) == len(others)
        assert 0.25 < drawn.count(5) / 1000 < 0.35

    def test_zero_is_the_shuffle_of_before(self):
        plain = list(EpochBatches(20, 4, 3))
        assert list(EpochBatches(20, 4, 3, balance=0.0, shown=[np.array([1])])) == plain
        assert sorted(i for batch in plain for i in batch) == list(range(20))

    def test_which_slices_show_an_organ(self):
        data = SliceDataset(TRAIN, SETTINGS.inputs, None)
        by_eye = [[i for i in range(len(data)) if (data[i]["labels"] == organ).any()] for organ in (1, 2, 3, 4)]
        assert [list(items) for items in data.shown()] == by_eye


def test_warm_up_rises_in_equal_steps_and_then_leaves_the_schedule_alone():
    plain = FitSettings(epochs=20, schedule="cosine", warmup=0)
    rates = [learning_rate(settings, [0.0] * e) for settings in (replace(plain, warmup=3), plain) for e in range(20)]
    ratio = np.array(rates[:20]) / rates[20:]
    np.testing.assert_allclose(ratio, [0.25, 0.5, 0.75, *[1.0] * 17])


def test_soft_dice_is_what_its_definition_says():
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 4, 4, generator=random, dtype=torch.float64)
    labels = torch.randint(0, 5, (2, 4, 4), generator=random)
    output = SegmentationOutput(logits)
    found = objective(output, labels, LossWeights(dice=0.5)).total - objective(output, labels).total
    share = torch.softmax(logits, 1).movedim(1, 0).reshape(5, -1)
    truth = torch.stack([(labels == k).double().reshape(-1) for k in range(5)])
    dice = 2 * (share * truth).sum(1) / (share.sum(1) + truth.sum(1))
    assert found.item() == pytest.approx(0.5 * (1 - dice[1:].mean()).item(), abs=1e-5)


class TestVariation:
    def test_follows_from_its_seed_alone_and_differs_with_it(self):
        data = SliceDataset(TRAIN, SETTINGS.inputs, Variation(place_probability=1, probability=1, elastic=1), seed=3)
        data.set_epoch(2)
        first, again = data[4], (data[0], data[4])[1]
        assert torch.equal(first["image"], again["image"])
        assert torch.equal(first["labels"], again["labels"])
        data.set_epoch(3)
        assert not torch.equal(data[4]["image"], first["image"])

    def test_greys_alone_leave_the_labels_where_they_are(self):
        greys = Variation(rotation=0, zoom=0, probability=1)
        plain, varied = (SliceDataset(TRAIN, SETTINGS.inputs, a)[2] for a in (None, greys))
        assert torch.equal(plain["labels"], varied["labels"])
        assert not torch.equal(plain["image"], varied["image"])

    def test_labels_move_with_the_image_and_stay_classes(self):
        picture = torch.zeros(1, 32, 32)
        picture[0, 4:16, 8:14] = 1.0
        moved = Variation(place_probability=1, gamma=0, bias=0, noise=0)
        turned = 0
        for seed in range(10):
            image, labels = moved.vary(picture, 3 * picture[0].byte(), (seed,))
            assert labels.dtype == torch.uint8
            assert set(labels.unique().tolist()) == {0, 3}
            agree = ((image[0] > 0.5) == (labels == 3)).float().mean()
            assert agree > 0.97
            turned += not torch.equal(labels, 3 * picture[0].byte())
        assert turned >= 9

    def test_nothing_to_vary_is_no_change(self):
        image, labels = torch.rand(1, 8, 8), torch.zeros(8, 8, dtype=torch.uint8)
        still = Variation(rotation=0, zoom=0, gamma=0, bias=0, noise=0).vary(image, labels, (1,))
        assert torch.equal(still[0], image)
        assert torch.equal(still[1], labels)

    @pytest.mark.parametrize("wrong", [{"zoom": 1.0}, {"noise": -1}, {"probability": 2}, {"gamma": float("nan")}])
    def test_numbers_out_of_range(self, wrong):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            Variation(**wrong)


class TestSettings:
    def test_a_training_stopped_after_each_epoch_gives_the_same_bits(self, tmp_path):
        whole, resumed = network(), network()
        fit(whole, TRAIN, VALIDATION, ALL, progress=False)
        for _ in range(ALL.epochs - 1):
            with pytest.raises(Exception, match="goes on from there"):
                fit(resumed, TRAIN, VALIDATION, ALL, tmp_path, where=Where(until=0.0), progress=False)
        fit(resumed, TRAIN, VALIDATION, ALL, tmp_path, where=Where(until=0.0), progress=False)
        for name, weight in whole.state_dict().items():
            assert torch.equal(weight, resumed.state_dict()[name]), name

    def test_what_is_off_is_not_written_down_so_that_older_runs_stay_what_they_are(self):
        plain = FitSettings().as_dict()
        assert not {"warmup", "average", "balance"} & set(plain)
        assert "dice" not in plain["loss"]
        written = ALL.as_dict()
        assert (written["warmup"], written["average"], written["balance"], written["loss"]["dice"]) == (1, 0.9, 0.5, 1)
        assert written["augmentation"]["elastic"] == 1

    def test_each_part_is_a_change_with_a_name(self):
        changes = Changes(dice=1.0, average=0.99, balance=0.33, warmup=1, vary=True)
        varied = vary(get_preset("quick"), changes)
        assert varied.name == "quick-dice1.0-average0.99-balance0.33-warmup1-vary"
        standard = get_preset("standard").fit
        same = replace(varied.fit, epochs=standard.epochs, inputs=standard.inputs)
        assert same == standard
        assert vary(get_preset("standard"), changes) == get_preset("standard")
        assert isinstance(get_preset("quick").fit.augmentation, Augmentation)

    @pytest.mark.parametrize("wrong", [{"average": 1.0}, {"balance": 1.5}, {"average": -0.1}, {"warmup": -1}])
    def test_numbers_out_of_range(self, wrong):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            FitSettings(**wrong)

    def test_a_negative_weight_of_dice(self):
        with pytest.raises(SettingsError, match="dice"):
            LossWeights(dice=-1)


def test_frozen_weights_have_no_average():
    state = SimpleNamespace(state={}, param_groups=[{"params": [torch.zeros(2)]}])
    average = WeightAverage(0.5, state)
    average.update()
    average.exchange()
    assert state.state == {}
