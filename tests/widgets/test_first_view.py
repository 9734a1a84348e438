"""Where the explorers open: on attention that is far from uniform and lies on the patient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from guided_attention.data.phantom import make_phantom, phantom_settings
from guided_attention.errors import SettingsError
from guided_attention.models import PositionMaps
from guided_attention.models.stored.pretrained import load_pretrained
from guided_attention.widgets import ChannelExplorer, PositionExplorer, RefinementStepper
from guided_attention.widgets.shared.first_view import bits_on, coverage, first_channel, first_view
from guided_attention.widgets.shared.inputs import as_slice, foreground, grey_values
from guided_attention.widgets.shared.rows import pack_maps

SIZE, GRID = 32, 8
#: Two organs in a body with a border of air: the large one on the left, the small one on the right.
LABELS = np.zeros((SIZE, SIZE), np.uint8)
LABELS[10:20, 6:14], LABELS[10:16, 20:24] = 1, 2
GREY = np.zeros((SIZE, SIZE), np.uint8)
GREY[4:28, 4:28] = 120
AIR, LARGE, SMALL = ~foreground(GREY), LABELS == 1, LABELS == 2


def made(scale, *bright, lam=0.1, sharp=4.0, noise=0.0):
    """A map in which everybody attends to some regions: exp(sharp) times as much as elsewhere."""
    region = np.maximum.reduce([coverage(mask, (GRID, GRID)) for mask in bright]) if bright else np.zeros((GRID, GRID))
    logits = sharp * region + noise * np.random.default_rng(scale).normal(size=region.shape)
    key = torch.tensor(logits, dtype=torch.float32).reshape(1, 1, -1)
    maps = PositionMaps(torch.ones_like(key), key, (GRID, GRID), (SIZE, SIZE), lam)
    return {"scale": scale, "step": 1, **pack_maps(maps)}


def opened(*maps, labels=LABELS, **options):
    view = first_view(maps, GREY, labels, **options)
    return view.scale, view.position


def test_the_map_that_lies_on_organs_is_shown_and_not_the_one_on_the_table():
    assert opened(made(0), made(1, AIR, sharp=9), made(2, SMALL))[0] == 2
    assert opened(made(0, AIR, LARGE), made(1, SMALL))[0] == 1
    assert opened(made(0, SMALL, sharp=1), made(1, SMALL, sharp=5))[0] == 1


def test_a_map_that_the_network_throws_away_is_not_shown_unless_there_is_no_other():
    assert opened(made(0, SMALL, sharp=6, lam=0.0), made(1, SMALL, sharp=2))[0] == 1
    assert opened(made(0, SMALL, sharp=6, lam=1e-5), made(1, SMALL, sharp=2, lam=-0.1))[0] == 1
    assert opened(made(0, lam=0.0), made(1, SMALL, lam=0.0))[0] == 1


def test_an_organ_asks_and_rounding_decides_nothing():
    """Flat maps differ by noise alone: then the first map, and the middle of the largest organ."""
    for lam in (0.0, 0.1):
        scale, (row, col) = opened(*(made(scale, noise=1e-3, lam=lam) for scale in range(4)))
        assert (scale, LABELS[row, col]) == (0, 1)
        assert abs(row - 14.5) < 1
        assert abs(col - 9.5) < 1


def test_without_organs_the_middle_of_the_body_asks_and_labels_in_the_air_are_none():
    nowhere = np.where(AIR, 1, 0).astype(np.uint8)
    for labels in (None, np.zeros_like(LABELS), nowhere):
        scale, position = opened(made(0, AIR, sharp=9), made(1, LARGE), labels=labels)
        assert scale == 1
        assert max(abs(place - 15.5) for place in position) < 1
    assert opened() == (0, opened(made(0))[1])  # a network without attention


def test_the_caller_may_choose_who_asks():
    assert opened(made(0), made(1, LARGE), at=(2, 3)) == (1, (2, 3))
    with pytest.raises(SettingsError, match="outside"):
        opened(made(0), at=(SIZE, 0))


def test_bits_are_the_divergence_from_uniform_attention():
    row = np.random.default_rng(0).dirichlet(np.full(64, 0.1)).reshape(8, 8)
    positive = row[row > 0]
    everywhere = bits_on(row, np.ones((8, 8)))
    assert everywhere == pytest.approx(6 + (positive * np.log2(positive)).sum())
    half = np.zeros((8, 8))
    half[:, :4] = 1
    assert bits_on(row, half) + bits_on(row, 1 - half) == pytest.approx(everywhere)
    assert bits_on(np.full((8, 8), 1 / 64), half) == pytest.approx(0)


def test_coverage_counts_pixels_also_where_the_grid_does_not_divide_the_image():
    mask = np.random.default_rng(0).random((13, 10)) < 0.5
    found = coverage(mask, (4, 3))
    for row, col in np.ndindex(4, 3):
        own = [mask[r, c] for r, c in np.ndindex(13, 10) if (r * 4 // 13, c * 3 // 10) == (row, col)]
        assert found[row, col] == pytest.approx(np.mean(own))


def channels(scale, lam, *pairs):
    """Four channels: two show a side of the body each, one the air, one nothing; `pairs` listen to each other."""
    weights, pictures = np.eye(4), np.zeros((4, GRID, GRID), np.uint8)
    pictures[0, 1:7, 1:4], pictures[1, 1:7, 4:7] = 255, 255
    pictures[2], pictures[3] = 255 * coverage(AIR, (GRID, GRID)), 40
    for listens, heard, weight in pairs:
        weights[listens, listens], weights[listens, heard] = 1 - weight, weight
    return {"scale": scale, "step": 1, "lam": lam, "weights": weights, "pictures": pictures}


def test_the_channel_shown_listens_to_another_and_both_show_the_body():
    found = first_channel([channels(0, 0.1, (2, 0, 1.0), (3, 1, 1.0)), channels(1, 0.1, (1, 0, 0.9))], GREY)
    assert (found.scale, found.channel, found.other) == (1, 1, 0)
    found = first_channel([channels(0, 0.0, (0, 1, 1.0)), channels(1, 0.1, (1, 0, 0.9))], GREY)
    assert (found.scale, found.channel, found.other) == (1, 1, 0)
    found = first_channel([channels(0, 0.1), channels(1, 0.1, (0, 1, 0.6), (0, 2, 0.4))], GREY, channel=0)
    assert (found.scale, found.channel, found.other) == (1, 0, 1)
    alone = {"scale": 0, "step": 1, "lam": 0.1, "weights": np.ones((1, 1)), "pictures": np.zeros((1, 4, 4), np.uint8)}
    assert (first_channel([alone], GREY).channel, first_channel([alone], GREY).other) == (0, 0)


@pytest.fixture(scope="module")
def trained():
    network, spec = load_pretrained("ms-dual-guided")
    volume = make_phantom(7, phantom_settings("small")).in_phase
    return network, as_slice(volume, inputs=spec.inputs)


def test_the_trained_network_opens_inside_the_body_far_from_uniform(trained):
    network, slice_ = trained
    explorer = PositionExplorer.from_model(network, slice_)
    body = coverage(foreground(grey_values(slice_.x[0, 0])), explorer.row().shape)
    assert explorer.summary().entropy < 8.5  # of 10 bits; the first map of the largest organ has 9.9
    assert (explorer.row() * body).sum() > 0.7 > 1.2 * body.mean()
    assert slice_.labels[tuple(explorer.position)] > 0
    stepper = RefinementStepper.from_model(network, slice_)
    assert (stepper.scale, stepper.step, stepper.position) == (explorer.scale, explorer.step, explorer.position)
    chosen = PositionExplorer.from_model(network, slice_, at=(40, 40))
    assert chosen.position == [40, 40]


def test_the_trained_networks_channels_open_on_two_of_them(trained):
    explorer = ChannelExplorer.from_model(*trained)
    assert explorer.channel != explorer.other
    assert explorer.row()[explorer.other] > 0.9
