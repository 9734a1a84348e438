"""Position attention without the N x N map: three ways to the same sum.

A 64 x 64 map has N = 4096 positions. Storing S of eq. 2 for the backward pass costs 64 MiB for each image and module
in single precision: 4 GiB for the eight modules of the network at batch 8. The sum can be had without it (Rabe and
Staats 2021; Dao et al. 2022): go through the asking positions in pieces, keep nothing of them, and compute S again,
piece by piece, going backward.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Implementation", "attend", "multiplies_bfloat16"]

Implementation = Literal["auto", "plain", "fused", "chunked"]
#: Slices and asking positions in one piece: 2 x 128 x 4096 numbers stay in a processor's cache.
_SLICES, _PIECE = 2, 128


def attend(query: Tensor, key: Tensor, value: Tensor, implementation: Implementation = "auto") -> Tensor:
    """The sum of eq. 3, sum_i S_ij value_i with S of eq. 2, for all asking positions j.

    Parameters
    ----------
    query, key : Tensor, (B, d, N)
        One column for each position.
    value : Tensor, (B, C, N)
        What each position has to say.
    implementation : {"auto", "plain", "fused", "chunked"}
        ``"plain"`` writes the N x N map down: for reading and for small N. ``"chunked"`` goes through the asking
        positions in pieces, forward and backward, on any device and in any precision (no second derivatives).
        ``"fused"`` hands over to PyTorch's scaled dot-product kernels. ``"auto"`` takes what was measured to be the
        faster (``benchmarks/attention.py``): fused, but chunked in double precision, and for bfloat16 on a processor
        that multiplies it natively.

    Returns
    -------
    Tensor, (B, C, N)
    """
    if implementation == "auto":
        native = query.dtype == torch.bfloat16 and query.device.type == "cpu" and multiplies_bfloat16()
        implementation = "chunked" if native or query.dtype == torch.float64 else "fused"
    if implementation == "plain":
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # (B, N, N): row j is what j attends to
        return value @ weights.transpose(1, 2)
    if implementation == "fused":
        return _fused(query, key, value)
    return _Chunked.apply(query, key, value)


@cache
def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for products in bfloat16; others emulate them, slowly."""
    # Older versions of torch cannot tell: then no.
    found = getattr(torch.cpu, "get_capabilities", dict)()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """PyTorch's kernel. It silently falls back to the whole map unless it likes the sizes, hence the padding.

    The processor's kernel wants queries as wide as values; the GPU's memory-efficient one wants multiples of 8.
    Zeros change no product. Both want the channels last in memory and one axis of heads.
    """
    width = max(query.shape[1], value.shape[1]) if not query.is_cuda else query.shape[1]
    width = -(-width // 8) * 8
    channels = value.shape[1]
    padded = width if not query.is_cuda else -(-channels // 8) * 8

    def heads(x: Tensor, size: int) -> Tensor:
        return functional.pad(x.transpose(1, 2), (0, size - x.shape[1])).unsqueeze(1).contiguous()

    summed = functional.scaled_dot_product_attention(
        heads(query, width), heads(key, width), heads(value, padded), scale=1.0
    )
    return summed.squeeze(1)[..., :channels].transpose(1, 2)


class _Chunked(torch.autograd.Function):
    """Exact attention, a piece of the asking positions at a time; what is stored is linear in N.

    A piece holds whole rows of S, so PyTorch's own softmax and its derivative do all that lies between the products:
    each reads its piece once, and computes in single precision what is stored in half.
    """

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q = query.transpose(1, 2).contiguous()  # (B, N, d): one row for each asking position
        v = value.transpose(1, 2).contiguous()  # (B, N, C)
        out = torch.empty_like(v)
        for b, piece in _pieces(q):
            out[b, piece] = torch.softmax(q[b, piece] @ key[b], dim=-1) @ v[b]  # (slices, piece, N) in between
        ctx.save_for_backward(q, key, v)
        return out.transpose(1, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, key, v = ctx.saved_tensors
        grad = grad.transpose(1, 2).contiguous().to(v.dtype)  # (B, N, C)
        exact = torch.float64 if q.dtype == torch.float64 else torch.float32  # for sums over the pieces
        grad_q = torch.empty_like(q)
        grad_k = torch.zeros_like(key, dtype=exact)
        grad_v = torch.zeros_like(v, dtype=exact)
        for b, piece in _pieces(q):
            weights = torch.softmax(q[b, piece] @ key[b], dim=-1)
            from_value = grad[b, piece] @ v[b].transpose(1, 2)
            from_logits = torch.ops.aten._softmax_backward_data(from_value, weights, -1, weights.dtype)
            grad_v[b] += weights.transpose(1, 2) @ grad[b, piece]
            grad_q[b, piece] = from_logits @ key[b].transpose(1, 2)
            grad_k[b] += q[b, piece].transpose(1, 2) @ from_logits
        return grad_q.transpose(1, 2), grad_k.to(key.dtype), grad_v.to(v.dtype).transpose(1, 2)


def _pieces(q: Tensor) -> Iterator[tuple[slice, slice]]:
    """Some slices of the batch, some of their positions; q is (B, N, d)."""
    for b in range(0, q.shape[0], _SLICES):
        for start in range(0, q.shape[1], _PIECE):
            yield slice(b, b + _SLICES), slice(start, start + _PIECE)
