"""Attention maps on demand: the rows are the right ones, and looking changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from guided_attention.errors import SettingsError
from guided_attention.models import attention_of, build_model, capture_channels, capture_positions
from guided_attention.models.attention import ChannelAttention, PositionAttention


class Own(nn.Module):
    """A reader's own network: features at a quarter of the resolution, one attention of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 4, stride=4), nn.BatchNorm2d(8), nn.Dropout(0.5))
        self.see = PositionAttention(8, 4)
        self.mix = ChannelAttention("scaled")

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.see(self.stem(x)))


@pytest.fixture
def own() -> Own:
    torch.manual_seed(0)
    network = Own().double()
    for _ in range(3):
        network(torch.randn(2, 1, 24, 32, dtype=torch.float64))  # running statistics that are not those of the start
    nn.init.constant_(network.see.lam, 0.4)
    return network


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 1, 24, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def plain_rows(network: nn.Module, name: str, x: Tensor) -> Tensor:
    """Eq. 2 from the features that reach a module, by einsum: (B, asker, attended)."""
    module, features = network.get_submodule(name), []
    hook = module.register_forward_hook(lambda module, given, out: features.append(given[0]))
    training = network.training
    with torch.no_grad():
        network.eval()(x)
    network.train(training)
    hook.remove()
    f = features[0].flatten(2).double()

    def one_by_one(conv: nn.Conv2d) -> Tensor:
        return torch.einsum("dc,bcn->bdn", conv.weight[:, :, 0, 0].double(), f) + conv.bias.double()[:, None]

    logits = torch.einsum("bdi,bdj->bji", one_by_one(module.key), one_by_one(module.query))
    powers = torch.exp(logits - logits.amax(-1, keepdim=True))
    return (powers / powers.sum(-1, keepdim=True)).detach()


def test_whole_map_of_a_reader_s_own_network(own, image):
    found = attention_of(own, image)
    assert list(found) == ["see"]
    assert found["see"].shape == (2, 48, 6, 8)
    torch.testing.assert_close(found["see"].flatten(2), plain_rows(own, "see", image))
    torch.testing.assert_close(found["see"].sum((2, 3)), torch.ones(2, 48, dtype=torch.float64))


def test_one_pixel_several_and_whole_agree(own, image):
    whole = attention_of(own, image)["see"]
    assert torch.equal(
        attention_of(own, image, at=(13, 30))["see"], attention_of(own, image, at=[(13, 30)])["see"][:, 0]
    )
    # Pixel (13, 30) lies over row 3, column 7 of the 6 x 8 map.
    torch.testing.assert_close(attention_of(own, image, at=(13, 30))["see"], whole[:, 3 * 8 + 7])
    several = attention_of(own, image, at=[(0, 0), (23, 31)])["see"]
    assert several.shape == (2, 2, 6, 8)
    torch.testing.assert_close(several, whole[:, [0, 47]])


@pytest.mark.parametrize("row", range(24))
def test_every_pixel_maps_to_the_position_above_it(own, image, row):
    (maps,) = capture_positions(own, image).values()
    flat = maps.positions([(row, col) for col in range(32)])
    assert flat.tolist() == [row // 4 * 8 + col // 4 for col in range(32)]


def test_rows_and_columns_have_scales_of_their_own():
    network = nn.Sequential(nn.AdaptiveAvgPool2d((2, 6)), PositionAttention(8))
    (maps,) = capture_positions(network, torch.zeros(1, 8, 8, 12)).values()
    for row in range(8):
        flat = maps.positions([(row, col) for col in range(12)])
        assert flat.tolist() == [row // 4 * 6 + col // 2 for col in range(12)]


def test_sizes_that_do_not_divide():
    (maps,) = capture_positions(
        nn.Sequential(nn.AdaptiveAvgPool2d((3, 5)), PositionAttention(8)), torch.zeros(1, 8, 7, 12)
    ).values()
    assert (maps.grid, maps.image) == ((3, 5), (7, 12))
    flat = maps.positions([(r, c) for r in range(7) for c in range(12)]).view(7, 12)
    assert flat[0, 0] == 0
    assert flat[6, 11] == 14
    assert set(flat.flatten().tolist()) == set(range(15))
    assert (flat.diff(dim=0) >= 0).all()
    assert (flat.diff(dim=1) >= 0).all()


def test_pixels_from_numpy(own, image):
    expected = attention_of(own, image, at=[(5, 6), (7, 8)])["see"]
    pixels = np.array([[5, 6], [7, 8]])
    assert torch.equal(attention_of(own, image, at=pixels)["see"], expected)
    # One asker alone is another product of matrices than two, and may add up in another order.
    torch.testing.assert_close(attention_of(own, image, at=pixels[0])["see"], expected[:, 0])
    assert attention_of(own, image, at=[])["see"].shape == (2, 0, 6, 8)


@pytest.mark.parametrize("pixel", [(24, 0), (0, 32), (-1, 0), (0, -1)])
def test_pixels_outside(own, image, pixel):
    with pytest.raises(SettingsError, match=rf"at=\({pixel[0]}, {pixel[1]}\) lies outside the image of 24 x 32 pixels"):
        attention_of(own, image, at=pixel)
    with pytest.raises(SettingsError, match="outside"):
        attention_of(own, image, at=[(0, 0), pixel])


def test_channel_maps(own, image):
    found = attention_of(own, image, kind="channel")
    assert list(found) == ["mix"]
    with torch.no_grad():
        own.eval()
        f = own.see(own.stem(image)).flatten(2)
    expected = torch.softmax(torch.einsum("bjn,bin->bji", f, f) / 48**0.5, -1)
    torch.testing.assert_close(found["mix"], expected)
    torch.testing.assert_close(capture_channels(own, image)["mix"], expected)


def test_questions_that_make_no_sense(own, image):
    with pytest.raises(SettingsError, match="takes no `at`"):
        attention_of(own, image, at=(0, 0), kind="channel")
    with pytest.raises(SettingsError, match="kind='both'"):
        attention_of(own, image, kind="both")


def test_networks_without_attention_have_no_maps(image):
    assert attention_of(nn.Conv2d(1, 2, 3).double(), image) == {}


@pytest.mark.parametrize("training", [True, False])
def test_looking_changes_nothing(own, image, training):
    own.train(training)
    own.stem[1].eval()  # somebody froze one batch norm: it stays frozen, and only it
    modes = [m.training for m in own.modules()]
    before = {k: v.clone() for k, v in own.state_dict().items()}
    random = torch.get_rng_state()
    maps = attention_of(own, image)["see"]
    assert not maps.requires_grad
    assert [m.training for m in own.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in own.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)  # no dropout either
    assert not any(m._forward_pre_hooks for m in own.modules())
    assert all(p.grad is None for p in own.parameters())


def test_a_network_that_fails_is_left_as_it_was(own):
    own.train()
    with pytest.raises(RuntimeError, match="channels"):
        attention_of(own, torch.zeros(1, 3, 24, 32, dtype=torch.float64))
    assert all(m.training for m in own.modules())
    assert not any(m._forward_pre_hooks for m in own.modules())


def test_lambda_tells_whether_a_map_matters(own, image):
    assert capture_positions(own, image)["see"].lam == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["pam", "ms-dual", "ms-dual-guided"])
def test_maps_of_the_family_by_scale_and_step(name):
    torch.manual_seed(0)
    model = build_model(name, backbone="resnet18", channels=8, reduction=2)
    x = torch.randn(2, 1, 64, 48)
    found = model.attention(x, at=[(0, 0), (63, 47), (33, 20)])
    steps = 1 if name == "pam" else 2
    assert set(found) == {(s, t) for s in range(4) for t in range(1, steps + 1)}
    for (scale, step), maps in found.items():
        assert maps.shape == (2, 3, 16, 12)
        whole = plain_rows(model, f"scales.{scale}.steps.{step - 1}.position.1", x)
        expected = whole[:, [0, 15 * 12 + 11, 8 * 12 + 5]]
        torch.testing.assert_close(maps.flatten(2).double(), expected, rtol=1e-3, atol=1e-6)
    assert model.attention(x, at=(5, 5))[0, 1].shape == (2, 16, 12)
    assert model.attention(x)[3, steps].shape == (2, 192, 16, 12)
    channels = model.attention(x, kind="channel")
    assert channels.keys() == (set() if name == "pam" else found.keys())
    assert all(maps.shape == (2, 8, 8) for maps in channels.values())


@pytest.mark.parametrize("name", ["daf", "cam"])
def test_members_without_position_attention(name):
    model = build_model(name, backbone="resnet18", channels=8)
    x = torch.randn(1, 1, 64, 64)
    assert model.attention(x, at=(1, 2)) == {}
    assert len(model.attention(x, kind="channel")) == (4 if name == "cam" else 0)
