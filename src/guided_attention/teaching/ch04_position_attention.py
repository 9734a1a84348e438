"""Checkers for the exercises of the chapter *Position attention*."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from guided_attention.models.attention import PositionAttention
from guided_attention.teaching.feedback import Feedback, checker, judge

__all__ = ["check_coordinates", "check_one_pixel", "check_position_attention"]


@checker
def check_position_attention(attention: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Feedback:
    """Check the sum of eq. 3 for a batch, ``attention(q, k, v)``: (B, d, N), (B, d, N), (B, C, N) -> (B, C, N)."""
    for b, d, c, n in ((2, 3, 4, 6), (1, 2, 3, 7)):
        verdict = _attention(attention, *_draw((b, d, n), (b, d, n), (b, c, n)))
        if not verdict:
            break
    return verdict


def _attention(attention: Callable[[Tensor, Tensor, Tensor], Tensor], q: Tensor, k: Tensor, v: Tensor) -> Feedback:
    logits = k.transpose(1, 2) @ q  # (B, N answering, N asking)
    right, wrong = logits.softmax(1), logits.softmax(2)
    asker = int((wrong[0].sum(0) - 1).abs().argmax())
    mistakes = {
        f"The weights of asking position {asker} add up to {wrong[0, :, asker].sum():.2f}, not 1: the softmax ran over "
        "the positions that ask. Eq. 2 runs it over those that answer.": v @ wrong,
        "The map is right, but its rows and columns changed places before it met the values: position j got what it "
        "says, not what it asked for.": v @ right.transpose(1, 2),
        "These are the values themselves: with index j at the value, as eq. 3 is printed, the weights add up to 1 "
        "and nothing is fetched. The value of i belongs inside the sum.": v,
        "The logits were divided by the square root of d. Transformers do that; eq. 2 does not.": v
        @ (logits / math.sqrt(q.shape[1])).softmax(1),
        "Keys and queries changed places: asking positions answered.": v @ logits.transpose(1, 2).softmax(1),
        "The weights do not add up to 1: after exp comes a division by the sum over i.": v @ logits.exp(),
        "The logits themselves weigh the values: where is the softmax?": v @ logits,
        "This is the mean of all values, whoever asks: are q and k used at all?": v.mean(2, keepdim=True).expand_as(v),
    }
    praise = "Every asking position has weights that add up to 1, and fetches values of others."
    verdict = judge(attention(q, k, v), v @ right, mistakes, praise)
    if verdict and not attention(400 * q, k, v).isfinite().all():
        return Feedback(False, "Right for small logits, but exp overflows for large ones: torch.softmax does not.")
    return verdict


@checker
def check_one_pixel(weights_of: Callable[[PositionAttention, Tensor, int, int], Tensor]) -> Feedback:
    """Check the attention of one pixel, ``weights_of(module, x, row, col)``: x (B, C, h, w) -> (B, h, w).

    The answer may not make anything of N x N numbers on its way, N = h w.
    """
    for size, row, col in (((6, 10), 4, 3), ((5, 7), 1, 4)):
        verdict = _one_pixel(weights_of, size, row, col)
        if not verdict:
            break
    return verdict


def _one_pixel(weights_of: Callable[..., Tensor], size: tuple[int, int], row: int, col: int) -> Feedback:
    torch.manual_seed(0)
    module = PositionAttention(16, reduction=4).double()
    (h, w), n, j = size, size[0] * size[1], row * size[1] + col
    (x,) = _draw((2, 16, h, w))
    with torch.no_grad():
        query, key = module.query(x).flatten(2), module.key(x).flatten(2)
        logits = (key.transpose(1, 2) @ query).unflatten(1, size)  # (B, h, w, N asking)
        whole = logits.flatten(1, 2).softmax(1).unflatten(1, size)
        features = torch.einsum("bchw,bc->bhw", x, x[:, :, row, col]).flatten(1).softmax(1).view(2, h, w)
        mistakes = {
            f"This is the attention of ({col}, {row}): row and column changed places.": whole[..., col * w + row],
            "The flat index of (row, col) is row * w + col: a row has w positions, not h.": whole[..., row * h + col],
            "These are logits: the softmax over all positions is missing.": logits[..., j],
            "The softmax ran along one axis of the picture only; it runs over all h w positions.": logits[
                ..., j
            ].softmax(2),
            "This is how much everyone asks of this pixel. Asked for was what this pixel asks of everyone: its query, "
            "all keys.": whole.flatten(1, 2)[:, j].unflatten(1, size),
            "The features were compared as they are; the 1x1 convolutions module.query and module.key come first.": (
                features
            ),
        }
        with _LargestResult() as watch:
            found = weights_of(module, x, row, col)
        verdict = judge(found, whole[..., j], mistakes, "One query, all keys: N numbers instead of N x N.")
    if verdict and watch.numbers >= n * n:
        return Feedback(
            False,
            f"Right, but {watch.numbers} numbers were held at once: {n} x {n} for each image. One query is enough.",
        )
    return verdict


@checker
def check_coordinates(add_place: Callable[[Tensor], Tensor]) -> Feedback:
    """Check features that know their place, ``add_place(x)``: (B, C, h, w) -> (B, C + 2, h, w)."""
    for shape in ((2, 3, 4, 6), (1, 2, 5, 3)):
        verdict = _coordinates(add_place, shape)
        if not verdict:
            break
    return verdict


def _coordinates(add_place: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Feedback:
    (x,), (_, c, h, w) = _draw(shape), shape
    swapped = [*range(c), c + 1, c]

    def extended(rows: Tensor, columns: Tensor) -> Tensor:
        down, across = torch.meshgrid(rows.double(), columns.double(), indexing="ij")
        return torch.cat([x, torch.stack([down, across]).expand(len(x), -1, -1, -1)], dim=1)

    rows, columns = torch.linspace(-1, 1, h), torch.linspace(-1, 1, w)
    right = extended(rows, columns)
    mistakes = {
        "The first new channel should be the row and the second the column; yours are the other way round.": right[
            :, swapped
        ],
        "The coordinates should come after the features, not before them.": right.roll(2, 1),
        "The coordinates are pixel numbers; they should run from -1 to 1, or they drown the features.": extended(
            torch.arange(h), torch.arange(w)
        ),
        "The coordinates run from 0 to 1; asked for was -1 to 1.": extended((rows + 1) / 2, (columns + 1) / 2),
        "The features were changed; they should be the first C channels, as they came.": torch.cat(
            [x + right[:, c:].sum(1, keepdim=True), right[:, c:]], dim=1
        ),
    }
    praise = "Now a shuffled image is another image: two pixels of one grey no longer look the same."
    return judge(add_place(x), right, mistakes, praise)


class _LargestResult(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation returned."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return result


def _draw(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
