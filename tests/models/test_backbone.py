"""ResNet features against MONAI's, published parameter counts, and files of ImageNet weights."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from monai.networks.nets import resnet as monai_resnet
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.errors import CheckpointError, SettingsError
from guided_attention.models.backbone import BACKBONES, ResNetFeatures
from guided_attention.models.imagenet import load_imagenet_weights

#: Parameters of torchvision's classifiers with 1000 classes, as its documentation lists them.
PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnext101_32x8d": 88_791_336,
}


def shake(network: nn.Module, seed: int = 0) -> None:
    """Statistics and weights of batch norm that change something."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                tensor.data.normal_(0, 0.2, generator=generator)
            for tensor in (module.running_var, module.weight):
                tensor.data.uniform_(0.7, 1.3, generator=generator)


def stages(network: nn.Module, x: Tensor) -> list[Tensor]:
    """Outputs of the four stages of a network that has them under torchvision's names."""
    found = []
    hooks = [
        getattr(network, f"layer{s}").register_forward_hook(lambda module, given, out: found.append(out.clone()))
        for s in (1, 2, 3, 4)
    ]
    network(x)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_features_equal_monai_s(name, training):
    theirs = getattr(monai_resnet, name)(
        pretrained=False,
        spatial_dims=2,
        n_input_channels=1,
        conv1_t_stride=2,
        bias_downsample=False,
        shortcut_type="B",
        feed_forward=False,
    ).train(training)
    shake(theirs)
    ours = ResNetFeatures(name).train(training)
    ours.load_state_dict(theirs.state_dict())  # the same names, all of them
    x = torch.randn(2, 1, 64, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = ours(x), stages(theirs, x)
    assert [f.shape[1] for f in found] == list(ours.channels)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5 * float(b.abs().max()))


def bottleneck(weights: dict[str, Tensor], x: Tensor, stride: int, groups: int) -> Tensor:
    """One bottleneck from its weights; the groups as so many networks side by side."""

    def norm(y: Tensor, name: str) -> Tensor:
        mean, var, scale, shift = (
            weights[f"{name}.{key}"].view(1, -1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (y - mean) / (var + 1e-5).sqrt() * scale + shift

    y = norm(functional.conv2d(x, weights["conv1.weight"]), "bn1").clamp(min=0)
    parts = zip(y.chunk(groups, 1), weights["conv2.weight"].chunk(groups, 0), strict=True)
    y = torch.cat([functional.conv2d(part, w, stride=stride, padding=1) for part, w in parts], 1)
    y = norm(functional.conv2d(norm(y, "bn2").clamp(min=0), weights["conv3.weight"]), "bn3")
    if "downsample.0.weight" in weights:
        x = norm(functional.conv2d(x, weights["downsample.0.weight"], stride=stride), "downsample.1")
    return (x + y).clamp(min=0)


def test_resnext_blocks_are_32_paths_of_8_channels_side_by_side():
    torch.manual_seed(0)
    network = ResNetFeatures("resnext101_32x8d").double().eval()
    shake(network)
    assert network.layer1[0].conv2.weight.shape == (256, 8, 3, 3)
    x = torch.randn(1, 64, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        for block, stride in ((network.layer1[0], 1), (network.layer1[1], 1), (network.layer2[0], 2)):
            y = block(x)
            torch.testing.assert_close(y, bottleneck(block.state_dict(), x, stride, 32))
            x = y


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_parameter_count_is_the_published_one_without_the_classifier(name, in_channels):
    with torch.device("meta"):
        network = ResNetFeatures(name, in_channels)
    classifier = network.channels[-1] * 1000 + 1000
    first = 64 * 7 * 7 * (3 - in_channels)
    assert sum(p.numel() for p in network.parameters()) == PUBLISHED[name] - classifier - first


def test_every_published_count_has_been_tested():
    assert set(PUBLISHED) == set(BACKBONES)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize(("output_stride", "strides"), [(32, (4, 8, 16, 32)), (16, (4, 8, 16, 16)), (8, (4, 8, 8, 8))])
def test_strides(name, output_stride, strides):
    with torch.device("meta"):
        network = ResNetFeatures(name, output_stride=output_stride)
        features = network(torch.empty(2, 1, 128, 96))
    assert [tuple(f.shape) for f in features] == [
        (2, c, 128 // s, 96 // s) for c, s in zip(network.channels, strides, strict=True)
    ]


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_dilated_stages_contain_the_strided_ones(name):
    # Convolution with holes on the fine grid does, at every second position, what the strided stage did: so weights
    # trained with strides keep their meaning. Exact, if the first block of a stage keeps the dilation before it.
    torch.manual_seed(0)
    strided = ResNetFeatures(name).double().eval()
    shake(strided)
    x = torch.randn(1, 1, 96, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = strided(x)
        for output_stride, steps in ((16, (1, 1, 1, 2)), (8, (1, 1, 2, 4))):
            dilated = ResNetFeatures(name, output_stride=output_stride).double().eval()
            dilated.load_state_dict(strided.state_dict())
            for found, wanted, step in zip(dilated(x), expected, steps, strict=True):
                torch.testing.assert_close(found[..., ::step, ::step], wanted)


def test_he_initialisation_keeps_the_variance_of_the_gradient():
    torch.manual_seed(0)
    weight = ResNetFeatures("resnet18").layer3[1].conv1.weight
    assert weight.var().item() == pytest.approx(2 / (256 * 9), rel=0.02)


@pytest.mark.parametrize(("argument", "value"), [("name", "resnet1001"), ("output_stride", 4)])
def test_unknown_settings(argument, value):
    with pytest.raises(SettingsError, match=str(value)):
        ResNetFeatures(**{argument: value})


def torchvision_state(name: str = "resnet18") -> dict[str, Tensor]:
    """A state dict as torchvision's: three input channels, a classifier."""
    torch.manual_seed(3)
    network = ResNetFeatures(name, in_channels=3)
    shake(network, 3)
    width = network.channels[-1]
    return {**network.state_dict(), "fc.weight": torch.randn(1000, width), "fc.bias": torch.randn(1000)}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    state = torchvision_state()
    torch.save(state, folder / "whole.pth")
    save_file(state, folder / "whole.safetensors")
    for suffix in ("pth", "safetensors"):
        whole = (folder / f"whole.{suffix}").read_bytes()
        (folder / f"truncated.{suffix}").write_bytes(whole[: len(whole) // 2])
        (folder / f"empty.{suffix}").write_bytes(b"")
        (folder / f"page.{suffix}").write_text("<!DOCTYPE html><title>404 Not Found</title>")
    return folder


class TestImageNetWeights:
    @pytest.mark.parametrize("suffix", ["pth", "safetensors"])
    def test_weights_arrive_by_name(self, files, suffix):
        state = torchvision_state()
        network = ResNetFeatures("resnet18", weights=files / f"whole.{suffix}")
        own = network.state_dict()
        assert {*own, "fc.weight", "fc.bias"} == set(state)
        for key, tensor in own.items():
            expected = state[key].sum(1, keepdim=True) if key == "conv1.weight" else state[key]
            torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("in_channels", [1, 2, 3, 4])
    def test_a_grey_picture_excites_the_network_as_its_three_channel_copy(self, files, in_channels):
        rgb = ResNetFeatures("resnet18", in_channels=3).eval()
        rgb.load_state_dict({k: v for k, v in torchvision_state().items() if not k.startswith("fc.")})
        network = ResNetFeatures("resnet18", in_channels, weights=str(files / "whole.pth")).eval()
        grey = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            for found, expected in zip(
                network(grey.expand(-1, in_channels, -1, -1)), rgb(grey.expand(-1, 3, -1, -1)), strict=True
            ):
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))

    def test_files_without_the_counters_of_batch_norm(self, tmp_path):
        state = {k: v for k, v in torchvision_state().items() if not k.endswith("num_batches_tracked")}
        save_file(state, tmp_path / "old.safetensors")
        network = ResNetFeatures("resnet18", weights=tmp_path / "old.safetensors")
        torch.testing.assert_close(network.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])

    @pytest.mark.parametrize("suffix", ["pth", "safetensors"])
    @pytest.mark.parametrize("kind", ["missing", "truncated", "empty", "page"])
    def test_unreadable_files(self, files, kind, suffix):
        path = files / f"{kind}.{suffix}"
        with pytest.raises(CheckpointError, match="no such file" if kind == "missing" else "download") as caught:
            ResNetFeatures("resnet18", weights=path)
        assert str(path) in str(caught.value)

    def test_a_folder(self, files):
        with pytest.raises(CheckpointError, match="cannot be read"):
            ResNetFeatures("resnet18", weights=files)

    def test_weights_of_another_architecture(self, files):
        network = ResNetFeatures("resnet34")
        before = {k: v.clone() for k, v in network.state_dict().items()}
        with pytest.raises(CheckpointError, match=r"not the weights of resnet34: 80 missing \['layer1.2.conv1.weight'"):
            load_imagenet_weights(network, network.name, files / "whole.safetensors")
        assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"layer1.0.conv1.weight": torch.zeros(64, 64, 1, 1)}, "1 of another shape"),
            ({"layer9.weight": torch.zeros(1)}, r"1 unknown \['layer9.weight'\]"),
            ({"conv1.weight": 3}, "1 of another shape"),
            ({"conv1.weight": torch.zeros(3)}, "1 of another shape"),
            ({7: torch.zeros(1)}, "dictionary from names to weights"),
        ],
    )
    def test_weights_that_do_not_fit(self, tmp_path, change, words):
        torch.save({**torchvision_state(), **change}, tmp_path / "odd.pth")
        with pytest.raises(CheckpointError, match=words):
            ResNetFeatures("resnet18", weights=tmp_path / "odd.pth")

    @pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), "weights"])
    def test_files_that_hold_something_else(self, tmp_path, content):
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(CheckpointError, match="dictionary from names to weights"):
            ResNetFeatures("resnet18", weights=tmp_path / "other.pth")

    def test_code_in_a_pickle_is_refused_and_not_run(self, tmp_path):
        witness = tmp_path / "it_ran"

        class Malicious:
            def __reduce__(self):
                return os.mkdir, (str(witness),)

        torch.save({"conv1.weight": Malicious()}, tmp_path / "bad.pth")
        with pytest.raises(CheckpointError, match="code inside, which is refused") as caught:
            ResNetFeatures("resnet18", weights=tmp_path / "bad.pth")
        assert not witness.exists()
        assert "weights_only" not in str(caught.value)  # torch's message would explain how to run it all the same


@pytest.mark.parametrize("name", ["resnet18", "resnext101_32x8d"])
def test_half_the_width_halves_every_map(name):
    whole, thin = ResNetFeatures(name), ResNetFeatures(name, width=32)
    assert thin.channels == tuple(c // 2 for c in whole.channels)
    assert list(thin.state_dict()) == list(whole.state_dict())
    x = torch.randn(1, 1, 64, 64)
    assert [tuple(f.shape[1:]) for f in thin(x)] == [
        (c, s, s) for c, s in zip(thin.channels, (16, 8, 4, 2), strict=True)
    ]


def test_half_the_width_is_about_a_quarter_of_the_weights():
    counts = [sum(p.numel() for p in ResNetFeatures("resnet18", width=w).parameters()) for w in (32, 64)]
    assert 0.24 < counts[0] / counts[1] < 0.26


def test_published_weights_fit_the_published_width_only(files):
    with pytest.raises(SettingsError, match="width of 64, found width=32"):
        ResNetFeatures("resnet18", weights=files / "resnet18.pth", width=32)
    with pytest.raises(SettingsError, match="multiple of 8, found 12"):
        ResNetFeatures("resnet18", width=12)
