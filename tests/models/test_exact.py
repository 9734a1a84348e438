"""The three ways to compute eq. 2 and 3 against the sum written out, and what they store for the backward pass."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from guided_attention.models import exact
from guided_attention.models.exact import attend

WAYS = ("plain", "fused", "chunked", "auto")
SPARING = ("fused", "chunked", "auto")


def loops(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """sum_i S_ij F_2,i for every position j, one exponential at a time (eq. 2 and 3)."""
    batch, _, n = query.shape
    rows = []
    for b in range(batch):
        for j in range(n):
            terms = [torch.exp(torch.dot(key[b, :, i], query[b, :, j])) for i in range(n)]
            whole = sum(terms)
            rows.append(sum((terms[i] / whole) * value[b, :, i] for i in range(n)))
    return torch.stack(rows).view(batch, n, -1).transpose(1, 2)


def sums(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same in einsum, for sizes too large for loops; float64."""
    powers = torch.exp(torch.einsum("bdi,bdj->bij", key.double(), query.double()))
    return torch.einsum("bij,bci->bcj", powers / powers.sum(1, keepdim=True), value.double())


def draw(batch: int, d: int, c: int, n: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, k, n, generator=generator, dtype=torch.float64).to(dtype) for k in (d, d, c)]


def relative(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).abs().max() / b.double().abs().max())


def gradients(function, inputs: list[Tensor], *further) -> list[Tensor]:
    """Gradients of a fixed weighted sum of the result."""
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    out = function(*leaves, *further)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return list(torch.autograd.grad((out * weights.to(out.dtype)).sum(), leaves))


def largest_saved(function) -> int:
    """Elements of the largest tensor that autograd keeps while function runs."""
    sizes = [0]

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function().sum().backward()
    return max(sizes)


def test_the_two_statements_agree():
    inputs = draw(2, 3, 4, 7)
    assert relative(sums(*inputs), loops(*inputs)) < 1e-14


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("batch", "d", "c", "n"), [(1, 1, 8, 6), (2, 3, 5, 11), (1, 16, 4, 9)])
def test_forward_and_gradients_equal_the_loops(way, batch, d, c, n):
    inputs = draw(batch, d, c, n)
    assert relative(attend(*inputs, way), loops(*inputs)) < 1e-6
    for found, expected in zip(gradients(attend, inputs, way), gradients(loops, inputs), strict=True):
        assert relative(found, expected) < 1e-6


@pytest.mark.parametrize("way", WAYS)
def test_more_positions_than_one_piece_and_no_multiple_of_it(way):
    inputs = draw(1, 4, 6, exact._PIECE + 89)
    assert relative(attend(*inputs, way), sums(*inputs)) < 1e-6
    for found, expected in zip(gradients(attend, inputs, way), gradients(sums, inputs), strict=True):
        assert relative(found, expected) < 1e-6


@settings(deadline=None, max_examples=25)
@given(
    batch=st.integers(1, 3),
    d=st.integers(1, 5),
    c=st.integers(1, 9),
    n=st.integers(1, 24),
    piece=st.integers(1, 9),
    seed=st.integers(0, 2**31),
)
def test_pieces_of_any_length_give_the_same(batch, d, c, n, piece, seed):
    inputs = draw(batch, d, c, n, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_PIECE", piece)
        torch.testing.assert_close(attend(*inputs, "chunked"), sums(*inputs), rtol=1e-6, atol=1e-12)
        found = gradients(attend, inputs, "chunked")
    for a, b in zip(found, gradients(sums, inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_gradcheck(way, monkeypatch):
    monkeypatch.setattr(exact, "_PIECE", 4)
    inputs = [x.requires_grad_() for x in draw(2, 2, 3, 6)]
    assert torch.autograd.gradcheck(lambda *qkv: attend(*qkv, way), inputs)


@pytest.mark.parametrize("way", WAYS)
def test_only_one_input_needs_a_gradient(way):
    query, key, value = draw(1, 2, 3, 5)
    value.requires_grad_()
    attend(query, key, value, way).sum().backward()
    # Each value is counted with the weights that all askers give it, which add up to N over the values.
    torch.testing.assert_close(value.grad.sum(-1), torch.full((1, 3), 5.0, dtype=torch.float64))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_exact_to_its_rounding(way, dtype):
    query, key, value = draw(2, 8, 16, 600, dtype)
    out = attend(query, key, value, way)
    assert out.dtype == dtype
    # Rounding each logit by half a unit changes a weight by the factor exp(2 x error); weights and result round once.
    logits = torch.einsum("bdi,bdj->bij", key.double(), query.double())
    unit = torch.finfo(dtype).eps
    bound = (logits.abs().max() * unit + 2 * unit) * value.double().abs().max()
    assert (out.double() - sums(query, key, value)).abs().max() < bound
    for found, expected in zip(
        gradients(attend, [query, key, value], way), gradients(sums, [query, key, value]), strict=True
    ):
        assert found.dtype == dtype
        assert (found.double() - expected).norm() < 4 * unit * expected.norm()


@pytest.mark.parametrize("way", WAYS)
def test_large_logits_neither_overflow_nor_vanish(way):
    query, key, value = draw(1, 4, 3, 8, torch.float32)
    query, key = 100 * query, 100 * key  # logits of tens of thousands: exp overflows even in double precision
    out = attend(query, key, value, way)
    best = torch.einsum("bdi,bdj->bij", key.double(), query.double()).argmax(1)  # (1, N): each row is one-hot
    torch.testing.assert_close(out[0], value[0, :, best[0]], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", SPARING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("channels", [8, 20, 64])
def test_training_stores_nothing_of_size_n_by_n(way, dtype, channels):
    n = 784
    inputs = [x.requires_grad_() for x in draw(1, max(channels // 8, 1), channels, n, dtype)]
    assert largest_saved(lambda: attend(*inputs, way)) < n * n / 4


def test_the_plain_way_stores_the_map():
    n = 784
    inputs = [x.requires_grad_() for x in draw(1, 1, 8, n, torch.float32)]
    assert largest_saved(lambda: attend(*inputs, "plain")) >= n * n


def test_stored_numbers_grow_in_proportion_to_the_positions():
    def stored(way: str, n: int) -> int:
        inputs = [x.requires_grad_() for x in draw(1, 2, 16, n, torch.float32)]
        total = 0

        def pack(tensor: Tensor) -> Tensor:
            nonlocal total
            total += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            attend(*inputs, way)
        return total

    for way in SPARING:
        assert stored(way, 1024) <= 2.2 * stored(way, 512)
    assert stored("plain", 1024) > 3 * stored("plain", 512)


def test_chunked_says_that_it_has_no_second_derivative():
    inputs = [x.requires_grad_() for x in draw(1, 2, 3, 5)]
    (gradient,) = torch.autograd.grad(attend(*inputs, "chunked").square().sum(), inputs[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("native", [False, True])
def test_auto_takes_what_the_benchmark_found(monkeypatch, native):
    taken = []
    original = exact._fused
    monkeypatch.setattr(exact, "multiplies_bfloat16", lambda: native)
    monkeypatch.setattr(exact, "_fused", lambda *qkv: taken.append(qkv[0].dtype) or original(*qkv))
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        attend(*draw(1, 1, 8, 16, dtype), "auto")
    assert taken == [torch.float32, *([] if native else [torch.bfloat16]), torch.float16]


@pytest.mark.parametrize(
    ("found", "expected"), [({}, False), ({"avx512_bf16": False}, False), ({"amx_bf16": True}, True), (None, False)]
)
def test_whether_the_processor_multiplies_bfloat16(monkeypatch, found, expected):
    if found is None:  # as in torch 2.8
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert exact.multiplies_bfloat16.__wrapped__() is expected


def test_uniform_logits_give_the_mean():
    query, key, value = draw(1, 2, 3, 10)
    for way in WAYS:
        out = attend(torch.zeros_like(query), key, value, way)
        torch.testing.assert_close(out, value.mean(-1, keepdim=True).expand_as(out))
        assert math.isclose(float(attend(query, key, torch.ones_like(value), way).mean()), 1.0, abs_tol=1e-12)
