"""The networks of Table II besides the family: U-Net, Attention U-Net, DANet, PAN."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks.nets.basic_unet import Down, TwoConv, UpCat
from safetensors.torch import load_file, save_file
from scipy.signal import correlate2d
from torch import Tensor, nn

from guided_attention.errors import SettingsError
from guided_attention.models import attention_of, build_model
from guided_attention.models.blocks import NormOfFew, require_size
from guided_attention.models.compared.attention_unet import AttentionGate
from guided_attention.models.compared.pan import (
    FeaturePyramidAttention,
    GlobalAttentionUpsample,
)
from guided_attention.models.output import SegmentationOutput
from guided_attention.training.losses import objective
from learning import key_biases, without_gradient

SMALL: dict[str, dict[str, object]] = {
    "unet": {"channels": 8},
    "attention-unet": {"channels": 8},
    "danet": {"backbone": "resnet18", "channels": 16, "reduction": 2},
    "pan-resnet34": {"channels": 16},
}
#: Every network and every option that changes what it computes: name, options, side predictions in training.
CASES = {
    "unet": ("unet", {}, 0),
    "attention-unet": ("attention-unet", {}, 0),
    "attention-unet-losses": ("attention-unet", {"supervision": "losses"}, 5),
    "danet": ("danet", {"energy": "scaled"}, 3),
    "danet-released": ("danet", {}, 3),
    "pan": ("pan-resnet34", {}, 0),
    "pan-feature-relu": ("pan-resnet34", {"pyramid": "feature", "gate": "relu"}, 0),
}
#: Published totals of torchvision's classifiers for three input channels and 1000 classes; their last width.
RESNET_34, RESNET_101 = 21_797_672 - 513 * 1000, 44_549_160 - 2049 * 1000


def small(name: str, **options) -> nn.Module:
    torch.manual_seed(0)
    return build_model(name, **{**SMALL[name], **options})


def image(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def randomise(module: nn.Module) -> nn.Module:
    """Draw all weights and statistics, so that no 0 or 1 of the initialisation hides a mistake."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else drawn / 2)
    return module


def shapes(size: int = 64, count: int = 4) -> tuple[Tensor, Tensor]:
    """Noisy images of a disc and an angle, and their labels."""
    rows, cols = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    labels = torch.zeros(count, size, size, dtype=torch.int64)
    for b in range(count):
        labels[b][(rows - 20 - 3 * b) ** 2 + (cols - 24 - 3 * b) ** 2 < 18**2] = 1
        labels[b, 46 + 2 * b :] = 2
        labels[b, :, 56 - b :] = 2
    return labels[:, None] * 0.7 + 0.3 * image(count, 1, size, size), labels


def lowest_dice(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Lowest Dice of the two shapes, as the network evaluates."""
    network.eval()
    with torch.no_grad():
        found = network(images).logits.argmax(1)
    network.train()
    return min(
        float(2 * ((found == k) & (labels == k)).sum() / ((found == k).sum() + (labels == k).sum())) for k in (1, 2)
    )


@pytest.mark.parametrize("case", CASES)
class TestEveryNetwork:
    @pytest.fixture
    def network(self, case: str) -> nn.Module:
        name, options, _ = CASES[case]
        return small(name, **options)

    def test_outputs(self, case):
        name, options, sides = CASES[case]
        network = small(name, in_channels=2, num_classes=3, **options)
        x = image(2, 2, 64, 96)
        out = network(x)
        assert isinstance(out, SegmentationOutput)
        assert out.logits.shape == (2, 3, 64, 96)
        assert [tuple(side.shape) for side in out.side_logits] == [(2, 3, 64, 96)] * sides
        assert (out.latents, out.reconstructions) == ((), ())
        if sides:
            assert torch.equal(out.side_logits[0], out.logits)
        network.eval()
        out = network(x)
        assert out.logits.shape == (2, 3, 64, 96)
        assert out.side_logits == ()

    def test_gradients_reach_every_parameter_that_can_learn(self, network):
        for key, parameter in network.named_parameters():
            if key.endswith(".lam"):
                nn.init.constant_(parameter, 0.5)
        images, labels = shapes()
        assert without_gradient(network, images, labels) == key_biases(network)

    def test_evaluation_is_deterministic_and_images_do_not_mix(self, network):
        x = image(3, 1, 64, 64)
        network(x)
        network.eval()
        with torch.no_grad():
            first, second = network(x).logits, network(x).logits
            assert torch.equal(first, second)
            for b in range(3):
                torch.testing.assert_close(network(x[b : b + 1]).logits, first[b : b + 1], rtol=1e-3, atol=1e-4)

    def test_safetensors_round_trip(self, case, network, tmp_path):
        name, options, _ = CASES[case]
        network(image(2, 1, 64, 64))
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        torch.manual_seed(7)
        other = build_model(name, **{**SMALL[name], **options})
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        x = image(1, 1, 64, 64)
        with torch.no_grad():
            assert torch.equal(other.eval()(x).logits, network.eval()(x).logits)

    @pytest.mark.parametrize("size", [32, 64])
    def test_a_batch_of_one_image_can_be_trained(self, network, size):
        objective(network(image(1, 1, size, size)), torch.ones(1, size, size, dtype=torch.int64)).total.backward()
        assert all(p.grad.isfinite().all() for p in network.parameters())
        assert all(buffer.isfinite().all() for buffer in network.buffers())

    def test_bfloat16_autocast_runs_forward_and_backward(self, network):
        with torch.autocast("cpu", torch.bfloat16):
            out = network(image(2, 1, 64, 64))
        loss = objective(out, torch.zeros(2, 64, 64, dtype=torch.int64)).total
        loss.backward()
        assert loss.isfinite()
        assert all(p.grad.isfinite().all() for p in network.parameters())

    def test_too_small_an_image(self, network):
        with pytest.raises(SettingsError, match=r"16 x 64 pixels.*at least 32.*32 x 64"):
            network(image(2, 1, 16, 64))


@pytest.mark.parametrize(
    ("name", "images", "rate"),
    [("unet", 4, 0.01), ("attention-unet", 4, 0.01), ("danet", 2, 0.006), ("pan-resnet34", 4, 0.006)],
)
def test_overfits_a_batch(name, images, rate):
    x, labels = shapes(count=images)
    network, steps = small(name, num_classes=3), 70
    optimiser = torch.optim.Adam(network.parameters(), rate, fused=True)
    # The rate falls to 0 at the end, so that the running statistics of batch norm catch up with the weights.
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(steps):
        optimiser.zero_grad()
        objective(network(x), labels).total.backward()
        optimiser.step()
        schedule.step()
    assert lowest_dice(network, x, labels) > 0.95


def conv(inputs: int, outputs: int, size: int = 1) -> int:
    """Weights and biases of a convolution."""
    return (size * size * inputs + 1) * outputs


def brick(inputs: int, outputs: int, size: int) -> int:
    """Weights of a convolution without bias, scale and shift of batch norm."""
    return size * size * inputs * outputs + 2 * outputs


class TestParameters:
    def count(self, name: str, **options) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in build_model(name, **options).parameters())

    @staticmethod
    def unet(c: int, inputs: int, classes: int) -> int:
        """By formula. Encoder, 3x3: c (inputs + c) at level 0, then c^2 (2 + 4) 4^(s-1). Decoder, 3x3: 3 c^2 4^s."""
        three_by_three = c * (inputs + c) + 6 * c * c * (1 + 4 + 16 + 64) + 3 * c * c * (1 + 4 + 16 + 64)
        transposed = 4 * 2 * c * c * (1 + 4 + 16 + 64) + c * (1 + 2 + 4 + 8)
        norms = 2 * 2 * (c * (1 + 2 + 4 + 8 + 16) + c * (1 + 2 + 4 + 8))
        return 9 * three_by_three + transposed + norms + (c + 1) * classes

    @pytest.mark.parametrize(("c", "inputs", "classes"), [(64, 1, 5), (64, 3, 2), (16, 1, 5), (8, 2, 3)])
    def test_unet(self, c, inputs, classes):
        found = self.count("unet", channels=c, in_channels=inputs, num_classes=classes)
        assert found == self.unet(c, inputs, classes)

    def test_unet_has_the_published_sizes(self):
        # Three channels in, one and two classes: totals of the widely used 64..1024 U-Net with batch norm.
        assert self.count("unet", in_channels=3, num_classes=1) == 31_037_633
        assert self.count("unet", in_channels=3, num_classes=2) == 31_037_698
        assert self.count("unet") == 31_036_741

    def test_attention_unet(self):
        w = (64, 128, 256, 512, 1024)
        encoder = sum(brick(i, o, 3) + brick(o, o, 3) for i, o in zip((1, *w[:-1]), w, strict=True))
        gates = sum(4 * c * c + conv(2 * c, c) + conv(c, 1) + brick(c, c, 1) for c in w[1:4])
        decoder = sum(brick(3 * c, c, 3) + brick(c, c, 3) for c in w[:4])
        heads = sum(conv(c, 5) for c in w[:4]) + conv(4 * 5, 5)
        expected = encoder + brick(1024, 1024, 1) + gates + decoder + heads
        assert self.count("attention-unet") == self.count("attention-unet", supervision="losses") == expected
        assert expected == 34_851_200

    def test_danet(self):
        head = 2 * brick(2048, 512, 3) + 2 * brick(512, 512, 3)
        attention = 2 * conv(512, 64) + conv(512, 512) + 1 + 1
        expected = RESNET_101 - 2 * 64 * 49 + head + attention + 3 * conv(512, 5)
        assert self.count("danet") == expected == 66_426_961

    @pytest.mark.parametrize(
        ("name", "backbone", "widths", "total"),
        [
            ("pan-resnet34", RESNET_34, (64, 128, 256, 512), 21_470_438),
            ("pan-resnet101", RESNET_101, (256, 512, 1024, 2048), 43_246_566),
        ],
    )
    def test_pan(self, name, backbone, widths, total):
        pooled_and_main = 2 * brick(widths[-1], 32, 1)
        gates = sum(brick(c, 32, 3) + brick(32, 32, 1) for c in widths[:3])
        rest = backbone - 2 * 64 * 49 + pooled_and_main + gates + conv(32, 5, 3)

        def pyramid(c: int) -> int:
            down = brick(widths[-1], c, 7) + brick(c, c, 5) + brick(c, c, 3)
            return down + brick(c, c, 7) + brick(c, c, 5) + brick(c, c, 3)

        assert self.count(name) == rest + pyramid(1) == total
        assert self.count(name, pyramid="feature") == rest + pyramid(32)


def test_unet_is_what_monai_s_parts_make():
    ours = randomise(small("unet").double()).eval()
    plain = {"act": ("relu", {"inplace": True}), "norm": "batch", "bias": False}
    w = (8, 16, 32, 64, 128)
    first = TwoConv(2, 1, w[0], **plain).double().eval()
    downs = [Down(2, i, o, **plain).double().eval() for i, o in pairwise(w)]
    ups = [UpCat(2, w[s + 1], w[s], w[s], **{**plain, "upsample": "deconv"}).double().eval() for s in range(4)]
    for s, level in enumerate([first, *downs]):
        copy_in_order(ours.encoder.levels[s], level)
    for s, up in enumerate(ups):
        copy_in_order(ours.up[s], up.upsample)
        copy_in_order(ours.decoder[s], up.convs)
    x = image(2, 1, 64, 96).double()
    with torch.no_grad():
        maps = [first(x)]
        for down in downs:
            maps.append(down(maps[-1]))
        y = maps.pop()
        for up, skip in zip(reversed(ups), reversed(maps), strict=True):
            y = up(y, skip)
        torch.testing.assert_close(ours(x).logits, ours.head(y), rtol=1e-9, atol=1e-9)


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Copy the state of a module to one with the same layers under other names."""
    state = target.state_dict()
    values = list(source.state_dict().values())
    assert [v.shape for v in values] == [v.shape for v in state.values()]
    target.load_state_dict(dict(zip(state, values, strict=True)))


# Plain statements in NumPy of what the layers do to one image, (C, h, w) in float64.


def plain_conv(x: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
    weight = layer.weight.detach().numpy()
    out = np.stack([sum(correlate2d(x[c], kernel[c], mode="same") for c in range(len(x))) for kernel in weight])
    return out if layer.bias is None else out + layer.bias.detach().numpy()[:, None, None]


def plain_norm(x: np.ndarray, layer: nn.BatchNorm2d) -> np.ndarray:
    mean, var, scale, shift = (
        t.detach().numpy()[:, None, None] for t in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (x - mean) / np.sqrt(var + layer.eps) * scale + shift


def plain_brick(x: np.ndarray, layers: nn.Sequential) -> np.ndarray:
    return np.maximum(plain_norm(plain_conv(x, layers[0]), layers[1]), 0)


def plain_bilinear(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixel centres at (i + 1/2), values beyond the outermost centres constant."""
    for axis, n in ((1, size[0]), (2, size[1])):
        m = x.shape[axis]
        at = np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1)
        low = np.floor(at).astype(int)
        part = np.expand_dims(at - low, 1) if axis == 1 else at - low
        x = x.take(low, axis) * (1 - part) + x.take(np.minimum(low + 1, m - 1), axis) * part
    return x


def plain_halve(x: np.ndarray) -> np.ndarray:
    rows, cols = (range(0, n, 2) for n in x.shape[1:])
    return np.array([[[c[i : i + 2, j : j + 2].mean() for j in cols] for i in rows] for c in x])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class TestAttentionGate:
    def test_equals_the_equation(self):
        gate = randomise(AttentionGate(3, 5).double()).eval()
        x, g = image(2, 3, 8, 6).double(), image(2, 5, 4, 3).double()
        with torch.no_grad():
            found, alpha = gate(x, g)
        w_x = gate.w_x.weight.detach().numpy()
        for b in range(2):
            xb, gb = x[b].numpy(), g[b].numpy()
            matched = np.zeros((3, 4, 3))
            for i in range(4):
                for j in range(3):
                    matched[:, i, j] = np.einsum("ochw,chw->o", w_x, xb[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2])
            expected = sigmoid(plain_conv(np.maximum(matched + plain_conv(gb, gate.w_g), 0), gate.psi))
            expected = plain_bilinear(expected, (8, 6))
            np.testing.assert_allclose(alpha[b].numpy(), expected, rtol=1e-10)
            gated = plain_norm(plain_conv(expected * xb, gate.output[0]), gate.output[1])
            np.testing.assert_allclose(found[b].numpy(), gated, rtol=1e-9, atol=1e-12)

    def test_coefficients_on_demand(self):
        network = small("attention-unet").train()
        network.gates[0].eval()
        x = image(2, 1, 64, 96)
        before = {key: value.clone() for key, value in network.state_dict().items()}
        found = network.attention_coefficients(x)
        assert {s: tuple(alpha.shape) for s, alpha in found.items()} == {
            1: (2, 1, 32, 48),
            2: (2, 1, 16, 24),
            3: (2, 1, 8, 12),
        }
        assert all(0 < alpha.min() < alpha.max() < 1 and not alpha.requires_grad for alpha in found.values())
        assert network.training
        assert not network.gates[0].training
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())

    def test_what_a_closed_gate_hides_cannot_be_seen(self):
        network = small("attention-unet").eval()
        x = image(1, 1, 64, 64)
        skips = network.encoder(x)
        signal = network.signal(skips[4])
        with torch.no_grad():
            network.gates[2].psi.weight.zero_()
            network.gates[2].psi.bias.fill_(-100.0)
            closed, alpha = network.gates[2](skips[3], signal)
            torch.testing.assert_close(closed, network.gates[2](torch.zeros_like(skips[3]), signal)[0])
        assert alpha.max() < 1e-30

    def test_joined_prediction_is_made_of_the_four_levels(self):
        network = small("attention-unet", supervision="losses")
        out = network(image(2, 1, 64, 64))
        joined = network.join(torch.cat(out.side_logits[1:], dim=1))
        torch.testing.assert_close(out.logits, joined)


class TestPAN:
    @pytest.mark.parametrize("pyramid", ["pixel", "feature"])
    @pytest.mark.parametrize("size", [(8, 8), (6, 5), (2, 3)])
    def test_feature_pyramid_attention_equals_its_statement(self, pyramid, size):
        fpa = randomise(FeaturePyramidAttention(6, 3, pyramid).double()).eval()
        x = image(2, 6, *size).double()
        with torch.no_grad():
            found = fpa(x).numpy()
        for b in range(2):
            one = x[b].numpy()
            x1 = plain_brick(plain_halve(one), fpa.down[0])  # 7 x 7
            x2 = plain_brick(plain_halve(x1), fpa.down[1])  # 5 x 5
            x3 = plain_brick(plain_halve(x2), fpa.down[2])  # 3 x 3
            y = plain_brick(x3, fpa.across[2])
            y = plain_brick(x2, fpa.across[1]) + plain_bilinear(y, x2.shape[1:])
            y = plain_brick(x1, fpa.across[0]) + plain_bilinear(y, x1.shape[1:])
            whole = plain_brick(one.mean((1, 2), keepdims=True), fpa.pooled)
            expected = plain_brick(one, fpa.main) * plain_bilinear(y, size) + whole
            np.testing.assert_allclose(found[b], expected, rtol=1e-9, atol=1e-12)
        kernels = [layer[0].kernel_size for layer in (*fpa.down, *fpa.across)]
        assert kernels == [(7, 7), (5, 5), (3, 3)] * 2

    @pytest.mark.parametrize("gate", ["relu", "sigmoid"])
    def test_global_attention_upsample_equals_its_statement(self, gate):
        gau = randomise(GlobalAttentionUpsample(4, 3, gate).double()).eval()
        high, low = image(2, 3, 3, 4).double(), image(2, 4, 6, 8).double()
        with torch.no_grad():
            found = gau(high, low).numpy()
        for b in range(2):
            whole = high[b].numpy().mean((1, 2), keepdims=True)
            whole = plain_norm(plain_conv(whole, gau.gate[0]), gau.gate[1])
            weight = np.maximum(whole, 0) if gate == "relu" else sigmoid(whole)
            expected = plain_brick(low[b].numpy(), gau.low) * weight + plain_bilinear(high[b].numpy(), (6, 8))
            np.testing.assert_allclose(found[b], expected, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("backbone", ["resnet34", "resnet101"])
    def test_the_name_says_the_backbone(self, backbone):
        with torch.device("meta"):
            for asked in (None, backbone):
                assert build_model(f"pan-{backbone}", backbone=asked).backbone.name == backbone
        for other in ("resnet18", "resnet34", "resnet101", "vgg16"):
            if other != backbone:
                with pytest.raises(SettingsError, match=rf"'pan-{backbone}'.*backbone='{backbone}', found.*'{other}'"):
                    build_model(f"pan-{backbone}", backbone=other)

    def test_the_last_map_has_a_sixteenth_of_the_resolution(self):
        network = small("pan-resnet34")
        assert [tuple(f.shape[2:]) for f in network.backbone(image(1, 1, 64, 96))][-2:] == [(4, 6), (4, 6)]


class TestNormOfFew:
    def test_a_single_value_is_normalised_by_the_running_statistics(self):
        norm = randomise(NormOfFew(4))
        before = {key: value.clone() for key, value in norm.state_dict().items()}
        x = image(1, 4, 1, 1)
        found = norm.train()(x)
        torch.testing.assert_close(found, norm.eval()(x))
        assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())

    @pytest.mark.parametrize("shape", [(2, 4, 1, 1), (1, 4, 1, 2), (3, 4, 5, 5)])
    def test_otherwise_it_is_batch_norm(self, shape):
        ours, reference = randomise(NormOfFew(4)), nn.BatchNorm2d(4)
        reference.load_state_dict(ours.state_dict())
        x = image(*shape)
        torch.testing.assert_close(ours(x), reference(x))
        torch.testing.assert_close(dict(ours.state_dict()), dict(reference.state_dict()))


class TestDANet:
    def test_the_last_map_has_an_eighth_of_the_resolution(self):
        network = small("danet")
        assert network.backbone(image(1, 1, 64, 96))[-1].shape == (1, 512, 8, 12)

    def test_the_result_is_the_classifier_of_the_sum(self):
        network = small("danet").eval()
        x = image(2, 1, 64, 64)
        with torch.no_grad():
            features = network.backbone(x)[-1]
            both = network.position(features) + network.channel(features)
            expected = nn.functional.interpolate(network.heads["sum"][1](both), scale_factor=8, mode="bilinear")
            torch.testing.assert_close(network(x).logits, expected)

    def test_default_width_is_a_quarter(self):
        assert small("danet", channels=None).heads["sum"][1].in_channels == 128

    def test_default_energy_is_that_of_its_code(self):
        assert small("danet").channel[1].energy == "released"

    def test_attention_on_demand(self):
        network, x = small("danet").train(), image(2, 1, 64, 96)
        one = network.attention(x, at=(40, 50))
        assert one.shape == (2, 8, 12)
        torch.testing.assert_close(one.sum((1, 2)), torch.ones(2))
        everything = network.attention(x)
        assert everything.shape == (2, 96, 8, 12)
        torch.testing.assert_close(everything[:, 5 * 12 + 6], one)  # pixel (40, 50) lies in the cell (5, 6)
        assert network.attention(x, at=[(0, 0), (40, 50)]).shape == (2, 2, 8, 12)
        assert network.attention(x, kind="channel").shape == (2, 16, 16)
        assert attention_of(network, x, (40, 50)).keys() == {"position.1"}
        assert network.training

    def test_pixel_outside_the_image(self):
        with pytest.raises(SettingsError, match=r"at=\(64, 0\) lies outside"):
            small("danet").attention(image(1, 1, 64, 64), at=(64, 0))

    def test_dropout_acts_in_training_only(self):
        network = small("danet", dropout=0.5)
        x = image(2, 1, 64, 64)
        assert not torch.equal(network(x).logits, network(x).logits)


class TestErrors:
    @pytest.mark.parametrize(
        ("name", "argument", "value"),
        [
            ("attention-unet", "supervision", "deep"),
            ("danet", "energy", "cosine"),
            ("danet", "implementation", "flash"),
            ("danet", "backbone", "vgg16"),
            ("pan-resnet34", "pyramid", "voxel"),
            ("pan-resnet34", "gate", "softmax"),
        ],
    )
    def test_unknown_values(self, name, argument, value):
        with pytest.raises(SettingsError, match=rf"{argument}={value!r} is unknown; choose one of"):
            small(name, **{argument: value})

    @pytest.mark.parametrize("name", SMALL)
    @pytest.mark.parametrize(
        ("argument", "value"), [("channels", 0), ("num_classes", 0), ("in_channels", -1), ("channels", 2.5)]
    )
    def test_not_a_count(self, name, argument, value):
        with pytest.raises(SettingsError, match=rf": {argument}={value} must be a whole number of at least 1"):
            small(name, **{argument: value})

    @pytest.mark.parametrize("name", ["unet", "attention-unet"])
    def test_size_not_divisible(self, name):
        with pytest.raises(SettingsError, match=r"100 x 64 pixels.*divisible by 16.*112 x 64"):
            small(name)(image(1, 1, 100, 64))

    def test_any_size_from_32_on_fits_networks_with_a_resnet(self):
        for name in ("danet", "pan-resnet34"):
            assert small(name)(image(2, 1, 33, 47)).logits.shape == (2, 5, 33, 47)

    @pytest.mark.parametrize("dropout", [-0.1, 1.5])
    def test_dropout_outside_its_range(self, dropout):
        with pytest.raises(SettingsError, match="dropout"):
            small("danet", dropout=dropout)

    @settings(max_examples=50, deadline=None)
    @given(
        height=st.integers(1, 200),
        width=st.integers(1, 200),
        least=st.sampled_from([16, 32, 48]),
        multiple=st.sampled_from([1, 8, 16]),
    )
    def test_the_size_that_an_error_proposes_fits(self, height, width, least, multiple):
        if height >= least and width >= least and height % multiple == width % multiple == 0:
            require_size("net", torch.empty(1, 1, height, width), least, multiple)
            return
        with pytest.raises(SettingsError) as caught:
            require_size("net", torch.empty(1, 1, height, width), least, multiple)
        proposed = str(caught.value).split("Pad it to ")[1].split(",")[0].split(" x ")
        require_size("net", torch.empty(1, 1, *map(int, proposed)), least, multiple)
        assert int(proposed[0]) >= height
        assert int(proposed[1]) >= width

    @pytest.mark.parametrize("name", ["unet", "attention-unet"])
    @pytest.mark.parametrize("options", [{"backbone": "resnet101"}, {"weights": "resnet101.pth"}])
    def test_a_network_with_its_own_encoder_takes_no_backbone(self, name, options):
        with pytest.raises(SettingsError, match=rf"'{name}' has no option '{next(iter(options))}'.*it has channels"):
            build_model(name, **options)
