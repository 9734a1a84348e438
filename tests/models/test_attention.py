"""Position and channel attention against eq. 2 to 5 written as loops over positions and channels, in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from guided_attention.errors import SettingsError
from guided_attention.models.attention import (
    ChannelAttention,
    DualAttention,
    PositionAttention,
    attention_weights,
)

WAYS = ("plain", "fused", "chunked", "auto")
ENERGIES = ("paper", "released", "scaled")


def pam(channels=8, reduction=4, way="auto", lam=0.7, seed=0) -> PositionAttention:
    torch.manual_seed(seed)
    module = PositionAttention(channels, reduction, way).double()
    nn.init.constant_(module.lam, lam)
    return module


def features(*shape: int, seed: int = 1, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def softmax(numbers: list[float]) -> list[float]:
    top = max(numbers)
    powers = [math.exp(n - top) for n in numbers]
    return [p / math.fsum(powers) for p in powers]


def position_loops(module: PositionAttention, x: Tensor, value_of: str = "i") -> np.ndarray:
    """Eq. 2 and 3 from the module's numbers, by loops over images, positions j and positions i."""

    def one_by_one(conv: nn.Conv2d, f: np.ndarray) -> np.ndarray:
        return conv.weight.detach().numpy()[:, :, 0, 0] @ f + conv.bias.detach().numpy()[:, None]

    lam, out = module.lam.item(), np.empty(tuple(x.shape))
    for b, image in enumerate(x.numpy()):
        f = image.reshape(image.shape[0], -1)  # row by row
        f0, f1, f2 = (one_by_one(conv, f) for conv in (module.key, module.query, module.value))
        n = f.shape[1]
        result = np.empty_like(f)
        for j in range(n):
            s = softmax([float(f0[:, i] @ f1[:, j]) for i in range(n)])
            summed = sum(s[i] * (f2[:, i] if value_of == "i" else f2[:, j]) for i in range(n))
            result[:, j] = lam * summed + f[:, j]
        out[b] = result.reshape(image.shape)
    return out


def channel_loops(x: Tensor, lam: float, logit) -> np.ndarray:
    """Eq. 4 and 5 by loops over images and channels; ``logit`` maps the products of a row to what softmax sees."""
    out = np.empty(tuple(x.shape))
    for b, image in enumerate(x.numpy()):
        f = image.reshape(image.shape[0], -1)
        c = f.shape[0]
        result = np.empty_like(f)
        for j in range(c):
            s = softmax(logit([math.fsum(f[i] * f[j]) for i in range(c)], f.shape[1]))
            result[j] = lam * sum(s[i] * f[i] for i in range(c)) + f[j]
        out[b] = result.reshape(image.shape)
    return out


LOGITS = {
    "paper": lambda row, n: row,
    "released": lambda row, n: [-e for e in row],  # max(E) - E and -E have the same softmax
    "scaled": lambda row, n: [e / math.sqrt(n) for e in row],
}


class TestPositionAttention:
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("shape", [(1, 8, 3, 4), (2, 8, 5, 2)])
    def test_equals_the_loops(self, way, shape):
        module, x = pam(way=way), features(*shape)
        np.testing.assert_allclose(module(x).detach().numpy(), position_loops(module, x), rtol=1e-6, atol=1e-9)

    @settings(deadline=None, max_examples=15)
    @given(
        sizes=st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 5)),
        reduction=st.sampled_from([1, 2, 8]),
        way=st.sampled_from(WAYS),
        lam=st.floats(-2, 2),
        seed=st.integers(0, 1000),
    )
    def test_equals_the_loops_for_any_shape(self, sizes, reduction, way, lam, seed):
        module, x = pam(8, reduction, way, lam, seed), features(sizes[0], 8, *sizes[1:], seed=seed)
        np.testing.assert_allclose(module(x).detach().numpy(), position_loops(module, x), rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("way", WAYS)
    def test_gradients_equal_finite_differences_of_the_loops(self, way):
        module, x, direction = pam(way=way), features(1, 8, 2, 3), features(1, 8, 2, 3, seed=5)
        x.requires_grad_()
        (module(x) * direction).sum().backward()
        found = float((x.grad * features(1, 8, 2, 3, seed=6)).sum())
        step = 1e-5 * features(1, 8, 2, 3, seed=6)
        with torch.no_grad():
            ahead, behind = position_loops(module, x + step), position_loops(module, x - step)
        expected = float(((ahead - behind) * direction.numpy()).sum() / 2e-5)
        assert found == pytest.approx(expected, rel=1e-7)

    def test_the_printed_equation_would_be_no_attention(self):
        # With F_2,j inside the sum the weights only add up to 1: a 1x1 convolution in disguise.
        module, x = pam(), features(1, 8, 3, 4)
        printed = position_loops(module, x, value_of="j")
        np.testing.assert_allclose(printed, (module.lam * module.value(x) + x).detach().numpy(), rtol=1e-12, atol=1e-12)
        assert np.abs(printed - module(x).detach().numpy()).max() > 0.1

    def test_weights_add_up_to_one_over_the_positions_attended_to(self):
        module, x = pam(), features(2, 8, 4, 5)
        maps = module.weights(x).flatten(2)  # (B, asker, attended)
        torch.testing.assert_close(maps.sum(2), torch.ones(2, 20, dtype=torch.float64))
        assert (maps.sum(1) - 1).abs().max() > 0.1  # the other axis: not a distribution
        f0, f1 = module.key(x).flatten(2)[0].detach(), module.query(x).flatten(2)[0].detach()
        expected = softmax([float(f0[:, i] @ f1[:, 7]) for i in range(20)])
        np.testing.assert_allclose(maps[0, 7].detach().numpy(), expected, rtol=1e-9)

    def test_softmax_over_the_other_axis_would_be_another_result(self):
        module, x = pam(lam=1.0), features(1, 8, 4, 5)
        query, key, value = (conv(x).flatten(2) for conv in (module.query, module.key, module.value))
        wrong = torch.softmax(query.transpose(1, 2) @ key, dim=1)
        other = (value @ wrong.transpose(1, 2)).view_as(x) + x
        assert (other - module(x)).abs().max() > 0.1

    def test_weights_of_chosen_positions_are_rows_of_the_whole(self):
        module, x = pam(), features(2, 8, 4, 5)
        whole, some = module.weights(x), module.weights(x, torch.tensor([19, 0, 7]))
        assert whole.shape == (2, 20, 4, 5)
        assert some.shape == (2, 3, 4, 5)
        torch.testing.assert_close(some, whole[:, [19, 0, 7]])

    @pytest.mark.parametrize("way", WAYS)
    def test_summing_with_the_weights_gives_the_output(self, way):
        module, x = pam(way=way), features(2, 8, 4, 5)
        value = module.value(x).flatten(2)
        summed = torch.einsum("bji,bci->bcj", module.weights(x).flatten(2), value).view_as(x)
        torch.testing.assert_close(module(x), module.lam * summed + x, rtol=1e-6, atol=1e-12)

    @settings(deadline=None, max_examples=10)
    @given(order=st.permutations(range(12)), way=st.sampled_from(WAYS))
    def test_reordered_positions_give_the_reordered_result(self, order, way):
        module, x = pam(way=way), features(1, 8, 3, 4)
        reordered = x.flatten(2)[:, :, order].view_as(x)
        torch.testing.assert_close(module(reordered).flatten(2), module(x).flatten(2)[:, :, order])

    @pytest.mark.parametrize("way", WAYS)
    def test_lambda_starts_at_zero_and_lets_no_gradient_to_the_queries(self, way):
        torch.manual_seed(0)
        module, x = PositionAttention(8, 2, way), torch.randn(2, 8, 4, 4)
        assert torch.equal(module(x), x)
        module(x).square().sum().backward()
        for conv in (module.query, module.key, module.value):
            assert all(p.grad is not None and torch.count_nonzero(p.grad) == 0 for p in conv.parameters())
        assert module.lam.grad != 0

        nn.init.constant_(module.lam, 0.01)  # what one step of training does
        module.zero_grad()
        module(x).square().sum().backward()
        for weight in (module.query.weight, module.query.bias, module.key.weight, module.value.weight):
            assert weight.grad.abs().max() > 1e-4

    def test_the_bias_of_the_keys_changes_nothing(self):
        # It adds the same number to all logits of a row, and softmax does not see that.
        module, x = pam(), features(1, 8, 3, 4)
        before = module(x)
        before.square().sum().backward()
        assert module.key.bias.grad.abs().max() < 1e-12 * module.query.bias.grad.abs().max()  # float64: rounding
        nn.init.constant_(module.key.bias, 3.0)
        torch.testing.assert_close(module(x), before)

    @pytest.mark.parametrize("way", WAYS)
    def test_channels_last_and_slices_of_tensors(self, way):
        module, x = pam(way=way), features(2, 8, 6, 4)
        expected = module(x)
        torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), expected)
        torch.testing.assert_close(module(torch.cat([x, x], dim=1)[:, 4:12].roll(4, 1)), expected)

    @pytest.mark.parametrize("way", WAYS)
    def test_bfloat16_autocast_is_exact_to_its_rounding(self, way):
        module, x = pam(16, 2, way, lam=1.0), features(1, 16, 12, 12)
        expected = module(x).detach()
        module = module.float()
        with torch.autocast("cpu", torch.bfloat16):
            out = module(x.float())
        assert (out.double() - expected).norm() < 0.01 * expected.norm()
        out.sum().backward()
        assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in module.parameters())

    @pytest.mark.parametrize(("way", "stored"), [(way, way == "plain") for way in WAYS])
    def test_no_map_is_stored_in_training(self, way, stored):
        torch.manual_seed(0)
        module, x, sizes = PositionAttention(16, 8, way), torch.randn(1, 16, 28, 28), []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (sizes.append(t.numel()), t)[1], lambda t: t):
            module(x)
        assert (max(sizes) >= 784**2) is stored
        assert (max(sizes) < 784**2 / 4) is not stored

    def test_impossible_settings(self):
        with pytest.raises(SettingsError, match="channels=4 over reduction=8"):
            PositionAttention(4)
        with pytest.raises(SettingsError, match="implementation='flash'"):
            PositionAttention(8, implementation="flash")


class TestAttentionWeights:
    def test_half_precision_queries_give_float32_rows_that_add_up_to_one(self):
        query, key = torch.randn(1, 4, 3, dtype=torch.bfloat16), torch.randn(1, 4, 900, dtype=torch.bfloat16)
        rows = attention_weights(query, key)
        assert rows.dtype == torch.float32
        torch.testing.assert_close(rows.sum(-1), torch.ones(1, 3))


class TestChannelAttention:
    @staticmethod
    def module(energy: str, lam: float = 0.7) -> ChannelAttention:
        module = ChannelAttention(energy).double()
        nn.init.constant_(module.lam, lam)
        return module

    @pytest.mark.parametrize("energy", ENERGIES)
    @pytest.mark.parametrize("shape", [(1, 4, 2, 3), (2, 7, 3, 3)])
    @pytest.mark.parametrize("scale", [0.3, 5.0])
    def test_equals_the_loops(self, energy, shape, scale):
        module, x = self.module(energy), features(*shape, scale=scale)
        expected = channel_loops(x, 0.7, LOGITS[energy])
        np.testing.assert_allclose(module(x).detach().numpy(), expected, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("energy", ENERGIES)
    def test_gradcheck(self, energy):
        assert torch.autograd.gradcheck(self.module(energy), features(2, 3, 2, 2, scale=0.5).requires_grad_())

    def test_the_released_sign_is_the_softmax_of_minus_the_energy(self):
        x = features(2, 5, 3, 4, scale=0.5)
        f = x.flatten(2)
        energy = torch.einsum("bin,bjn->bji", f, f)
        torch.testing.assert_close(ChannelAttention("released").weights(x), torch.softmax(-energy, -1))
        torch.testing.assert_close(ChannelAttention("paper").weights(x), torch.softmax(energy, -1))
        assert (ChannelAttention("released").weights(x) - ChannelAttention("paper").weights(x)).abs().max() > 0.1

    @pytest.mark.parametrize("energy", ENERGIES)
    def test_rows_add_up_to_one(self, energy):
        maps = ChannelAttention(energy).weights(features(2, 5, 3, 4, scale=0.5))
        assert maps.shape == (2, 5, 5)
        torch.testing.assert_close(maps.sum(-1), torch.ones(2, 5, dtype=torch.float64))

    def test_at_paper_size_paper_is_one_hot_on_itself_and_released_on_another(self):
        x = features(1, 16, 64, 64)
        paper, released, scaled = (ChannelAttention(e).weights(x)[0] for e in ENERGIES)
        torch.testing.assert_close(paper, torch.eye(16, dtype=torch.float64))
        assert released.diagonal().max() < 1e-12
        assert (released.amax(-1) > 0.9).double().mean() > 0.5
        # Over sqrt(N) the energy of unrelated channels has unit spread; that of a channel with itself is sqrt(N).
        off = torch.einsum("in,jn->ij", x[0].flatten(1), x[0].flatten(1)) / 64
        torch.testing.assert_close(scaled, torch.softmax(off, -1))
        assert 0.5 < float(off[~torch.eye(16, dtype=torch.bool)].std()) < 2

    def test_paper_at_that_size_returns_the_features_times_one_plus_lambda(self):
        x = features(1, 16, 64, 64)
        torch.testing.assert_close(self.module("paper", 0.3)(x), 1.3 * x)

    @pytest.mark.parametrize("energy", ENERGIES)
    def test_energies_are_float32_under_bfloat16_autocast(self, energy):
        # Neighbouring channels are alike, so that energies are large while the softmax stays soft.
        common = features(1, 1, 64, 64, scale=0.5)
        x = (common + 0.03 * features(1, 8, 64, 64, seed=3)).to(torch.bfloat16)
        f = x.double().flatten(2)
        row = torch.einsum("bjn,bin->bji", f, f)
        signs = {"paper": row, "released": -row, "scaled": row / 64}
        expected = torch.softmax(signs[energy], -1)
        with torch.autocast("cpu", torch.bfloat16):
            found = ChannelAttention(energy).weights(x)
            rounded = (x.flatten(2) @ x.flatten(2).transpose(1, 2)).double()
        assert found.dtype == torch.float32
        assert (found.double() - expected).abs().max() < 1e-3
        in_half = torch.softmax({"paper": rounded, "released": -rounded, "scaled": rounded / 64}[energy], -1)
        assert (in_half - expected).abs().max() > 10 * (found.double() - expected).abs().max()

    @pytest.mark.parametrize("energy", ENERGIES)
    def test_energies_beyond_float16_do_not_overflow(self, energy):
        x = (10 * torch.randn(1, 4, 64, 64)).to(torch.float16)
        assert (x.double().flatten(2).square().sum(-1) > 65504).all()
        maps = ChannelAttention(energy).weights(x)
        assert maps.isfinite().all()
        assert ChannelAttention(energy).half()(x).isfinite().all()

    @pytest.mark.parametrize("energy", ENERGIES)
    def test_lambda_starts_at_zero(self, energy):
        module, x = ChannelAttention(energy), torch.randn(2, 6, 4, 4).requires_grad_()
        assert torch.equal(module(x), x)
        module(x).square().sum().backward()
        assert module.lam.grad != 0
        torch.testing.assert_close(x.grad, 2 * x.detach())

    @settings(deadline=None, max_examples=10)
    @given(order=st.permutations(range(12)), energy=st.sampled_from(ENERGIES))
    def test_the_order_of_positions_does_not_matter(self, order, energy):
        x = features(1, 4, 3, 4)
        module = self.module(energy)
        reordered = x.flatten(2)[:, :, order].view_as(x)
        torch.testing.assert_close(module(reordered).flatten(2), module(x).flatten(2)[:, :, order])

    def test_unknown_energy(self):
        with pytest.raises(SettingsError, match=r"energy='negative'.*'paper', 'released', 'scaled'"):
            ChannelAttention("negative")


def brick(layers: nn.Sequential, x: Tensor) -> Tensor:
    """Convolution, batch norm with running statistics, PReLU: the arithmetic of each written out."""
    conv, norm, act = layers
    unfolded = nn.functional.unfold(x, conv.kernel_size, padding=conv.kernel_size[0] // 2)
    y = torch.einsum("ok,bkn->bon", conv.weight.flatten(1), unfolded).unflatten(2, x.shape[2:])
    mean, var, scale, shift = (
        v.view(1, -1, 1, 1) for v in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    y = (y - mean) / (var + norm.eps).sqrt() * scale + shift
    return torch.where(y > 0, y, act.weight * y)


class TestDualAttention:
    @staticmethod
    def module(**options) -> DualAttention:
        torch.manual_seed(0)
        module = DualAttention(8, 5, reduction=2, energy="scaled", **options).double().eval()
        with torch.no_grad():
            for part in module.modules():
                if isinstance(part, nn.BatchNorm2d):
                    for tensor in (part.running_mean, part.bias):
                        tensor.normal_()
                    for tensor in (part.running_var, part.weight):
                        tensor.uniform_(0.5, 2)
                elif isinstance(part, PositionAttention | ChannelAttention):
                    part.lam.fill_(0.6)
        return module

    def test_is_the_sum_of_both_branches_written_out(self):
        module, x = self.module(), features(2, 5, 3, 4)
        first, attention, last = module.position
        inner = brick(first, x)
        position = brick(last, torch.from_numpy(position_loops(attention, inner.detach())))
        first, attention, last = module.channel
        inner = brick(first, x)
        channel = brick(last, torch.from_numpy(channel_loops(inner.detach(), 0.6, LOGITS["scaled"])))
        torch.testing.assert_close(module(x), position + channel, rtol=1e-9, atol=1e-9)
        assert module(x).shape == (2, 8, 3, 4)

    def test_one_branch_alone(self):
        x = features(1, 5, 3, 4)
        both = self.module()
        position, channel = self.module(channel=False), self.module(position=False)
        position.load_state_dict({k: v for k, v in both.state_dict().items() if k.startswith("position")})
        channel.load_state_dict({k: v for k, v in both.state_dict().items() if k.startswith("channel")})
        torch.testing.assert_close(position(x) + channel(x), both(x))

    def test_no_branch_at_all(self):
        with pytest.raises(SettingsError, match="at least one"):
            DualAttention(8, position=False, channel=False)

    def test_as_many_input_channels_as_output_by_default(self):
        assert DualAttention(8)(torch.randn(2, 8, 4, 4)).shape == (2, 8, 4, 4)
