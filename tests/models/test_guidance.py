"""Fusion and guided refinement against plain statements of Fig. 1 to 3, and eq. 1 on the whole network by hooks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.models.fusion import MultiScaleFusion
from guided_attention.models.guidance import GuidedAttention, SemanticAutoencoder, semantic_pairs
from guided_attention.models.network import DAFAttention, MultiScaleAttentionNet

C = 4


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ready(module: nn.Module, seed: int = 0) -> nn.Module:
    """In evaluation and double precision, with statistics that are not those of the start."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.running_mean, part.bias):
                tensor.data.normal_(generator=generator)
            for tensor in (part.running_var, part.weight):
                tensor.data.uniform_(0.5, 2, generator=generator)
    return module


def brick(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Convolution, batch norm, PReLU from a state dict."""
    kernel = weights[f"{name}.0.weight"]
    y = functional.conv2d(x, kernel, padding=kernel.shape[-1] // 2)
    mean, var, scale, shift = (
        weights[f"{name}.1.{key}"].view(1, -1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")
    )
    y = (y - mean) / (var + 1e-5).sqrt() * scale + shift
    return y.clamp(min=0) + weights[f"{name}.2.weight"] * y.clamp(max=0)


def linear_1d(length: int, wanted: int) -> Tensor:
    """Matrix (wanted, length) of linear interpolation with pixel centres at (k + 1/2) / length, edges held."""
    matrix = torch.zeros(wanted, length, dtype=torch.float64)
    for row in range(wanted):
        at = min(max((row + 0.5) * length / wanted - 0.5, 0), length - 1)
        low = int(at)
        high = min(low + 1, length - 1)
        matrix[row, low] += 1 - (at - low)
        matrix[row, high] += at - low
    return matrix


def bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.einsum("rh,bchw,qw->bcrq", linear_1d(x.shape[2], size[0]), x, linear_1d(x.shape[3], size[1]))


class TestMultiScaleFusion:
    def test_equals_its_plain_statement(self):
        widths, sizes = (3, 5, 6, 7), ((12, 10), (6, 5), (3, 3), (2, 2))
        fusion = ready(MultiScaleFusion(widths, C))
        maps = [draw(2, c, *size, seed=i) for i, (c, size) in enumerate(zip(widths, sizes, strict=True))]
        reduced, fused = fusion(maps)
        weights = fusion.state_dict()
        expected = [bilinear(brick(weights, f"reduce.{s}", f), (12, 10)) for s, f in enumerate(maps)]
        for found, wanted in zip(reduced, expected, strict=True):
            torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(fused, brick(weights, "fuse", torch.cat(expected, 1)))

    def test_as_many_maps_as_scales(self):
        with pytest.raises(ValueError, match="zip"):
            MultiScaleFusion((3, 5), C)([torch.zeros(1, 3, 4, 4)])


class TestSemanticAutoencoder:
    def test_equals_its_plain_statement(self):
        module = ready(SemanticAutoencoder(6, (3, 4, 5)))
        x, weights = draw(2, 6, 10, 7), module.state_dict()

        def two(name: str, y: Tensor) -> Tensor:
            return brick(weights, f"{name}.1", brick(weights, f"{name}.0", y))

        def halve(y: Tensor) -> Tensor:  # the largest of each 2 x 2, an odd last row or column left out
            h, w = y.shape[2] // 2 * 2, y.shape[3] // 2 * 2
            return y[..., :h, :w].unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5))

        latent = two("encoder.4", halve(two("encoder.2", halve(two("encoder.0", x)))))
        y = two("decoder.0", bilinear(latent, (5, 3)))
        y = two("decoder.1", bilinear(y, (10, 7)))
        y = torch.einsum("oc,bchw->bohw", weights["rebuild.weight"][:, :, 0, 0], y)
        rebuilt = y + weights["rebuild.bias"].view(1, -1, 1, 1)
        found = module(x)
        assert found[0].shape == (2, 5, 2, 1)
        torch.testing.assert_close(found[0], latent)
        torch.testing.assert_close(found[1], rebuilt)

    def test_as_large_as_the_released_one(self):
        # The released code has 13,940,992 parameters for two. Convolutions without biases and norms of ours: within one
        # percent.
        with torch.device("meta"):
            module = SemanticAutoencoder(128, (128, 256, 512))
        widths = [(128, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
        widths += [(512, 256), (256, 256), (256, 128), (128, 128)]
        expected = sum(9 * a * b + 2 * b + 1 for a, b in widths) + 128 * 128 + 128
        count = sum(p.numel() for p in module.parameters())
        assert count == expected
        assert abs(count / (13_940_992 / 2) - 1) < 0.01


class Double(nn.Module):
    """Stands in for an attention module: a 1x1 convolution to C channels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, C, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


@pytest.mark.parametrize("entry", ["conv", "concat"])
@pytest.mark.parametrize("second_input", ["modulate", "direct"])
@pytest.mark.parametrize(("steps", "guided"), [(1, False), (2, False), (2, True)])
def test_guided_attention_equals_its_plain_statement(entry, second_input, steps, guided):
    pairs = semantic_pairs(1, C, (3, 4, 5), second_input, shared=False)[0] if guided else None
    torch.manual_seed(0)
    module = GuidedAttention(C, Double, steps=steps, autoencoders=pairs, entry=entry, second_input=second_input)
    module = ready(module)
    weights, raw, fused = module.state_dict(), draw(2, C, 8, 6), draw(2, C, 8, 6, seed=1)

    def attend(step: int, x: Tensor) -> Tensor:
        if entry == "conv" and x.shape[1] == 2 * C:
            x = brick(weights, f"entries.{step}", x)
        return functional.conv2d(x, weights[f"steps.{step}.conv.weight"], weights[f"steps.{step}.conv.bias"])

    def gate(step: int, x: Tensor, attention: Tensor) -> Tensor:
        if pairs is None:
            return attention
        latent, rebuilt = pairs[step](x)
        latents.append(latent)
        rebuilds.append((x, rebuilt))
        return attention * brick(weights, f"gates.{step}", rebuilt)

    latents, rebuilds = [], []
    x = torch.cat([raw, fused], 1)
    attention = gate(0, x, attend(0, x))
    if steps == 2:
        x = attention if second_input == "direct" else torch.cat([raw, attention * fused], 1)
        attention = gate(1, x, attend(1, x))
    found = module(raw, fused)
    torch.testing.assert_close(found.attention, attention)
    if pairs is None:
        assert found.latents is None
        assert found.reconstructions == ()
        return
    assert len(found.latents) == len(found.reconstructions) == 2
    for a, b in zip(found.latents, latents, strict=True):
        torch.testing.assert_close(a, b)
    for given, expected in zip(found.reconstructions, rebuilds, strict=True):
        for a, b in zip(given, expected, strict=True):
            torch.testing.assert_close(a, b)


def test_pairs_are_shared_or_not():
    shared = semantic_pairs(4, C, (3, 4, 5), "modulate", shared=True)
    assert all(pair is shared[0] for pair in shared)
    own = semantic_pairs(4, C, (3, 4, 5), "direct", shared=False)
    assert len({id(module) for pair in own for module in pair}) == 8
    assert [m.rebuild.out_channels for m in own[0]] == [2 * C, C]


def test_daf_attention_equals_its_plain_statement():
    torch.manual_seed(0)
    module = ready(DAFAttention(C))
    weights, raw, fused = module.state_dict(), draw(2, C, 6, 5), draw(2, C, 6, 5, seed=1)
    y = brick(weights, "mask.1", brick(weights, "mask.0", torch.cat([raw, fused], 1)))
    y = functional.conv2d(y, weights["mask.2.weight"], weights["mask.2.bias"])
    mask = y.exp() / y.exp().sum(1, keepdim=True)  # over the channels
    z = torch.cat([raw, mask * fused], 1)
    for layer in range(3):
        z = brick(weights, f"refine.{layer}", z)
    found = module(raw, fused)
    torch.testing.assert_close(found.attention, z)
    assert (found.latents, found.reconstructions) == (None, ())


@pytest.mark.parametrize("entry", ["conv", "concat"])
@pytest.mark.parametrize(("attention", "steps"), [("dual", 1), ("dual", 2), ("position", 1), ("channel", 1)])
def test_equation_1_in_the_whole_network(entry, attention, steps):
    """AttMod_s gets conv([F'_s, F_MS]), or the concatenation, where F' and F_MS come from the fusion of the scales."""
    torch.manual_seed(0)
    options = {} if attention == "channel" else {"reduction": 2}
    network = MultiScaleAttentionNet(
        backbone="resnet18", attention=attention, steps=steps, guided=False, channels=8, entry=entry, **options
    )
    ready(network)
    seen: dict[str, object] = {}
    hooks = [network.fusion.register_forward_hook(lambda module, given, out: seen.__setitem__("fusion", out))]
    for s, scale in enumerate(network.scales):
        hooks.append(
            scale.steps[0].register_forward_hook(lambda module, given, out, s=s: seen.__setitem__(f"F {s}", given[0]))
        )
        hooks.append(scale.register_forward_hook(lambda module, given, out, s=s: seen.__setitem__(f"A {s}", out)))
    with torch.no_grad():
        logits = network(draw(1, 1, 64, 64)).logits
    for hook in hooks:
        hook.remove()
    raw, fused = seen["fusion"]
    weights, predictions = network.state_dict(), []
    for s in range(4):
        expected = torch.cat([raw[s], fused], dim=1)
        if entry == "conv":
            expected = brick(weights, f"scales.{s}.entries.0", expected)
        torch.testing.assert_close(seen[f"F {s}"], expected)
        kernel, bias = weights[f"attention_heads.{s}.weight"][:, :, 0, 0], weights[f"attention_heads.{s}.bias"]
        small = torch.einsum("kc,bchw->bkhw", kernel, seen[f"A {s}"].attention) + bias.view(1, -1, 1, 1)
        predictions.append(bilinear(small, (64, 64)))
    torch.testing.assert_close(logits, sum(predictions) / 4)
