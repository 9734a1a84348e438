"""Checkers for the exercises of the chapter *The whole network*."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import torch
from torch import Tensor, nn

from guided_attention.models.attention import DualAttention
from guided_attention.models.guidance import GuidedAttention
from guided_attention.teaching.feedback import Feedback, checker, judge, module_result

__all__ = ["check_brick_cost", "check_complaints", "check_unguided_scale"]

Shapes = Mapping[str, tuple[int, ...]]


class _BothInputs(nn.Module):
    """A scale of two inputs as a module of one: F'_s and F_MS side by side."""

    def __init__(self, scale: nn.Module) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale(*x.chunk(2, dim=1))


@checker
def check_unguided_scale(unguided: Callable[[int], nn.Module]) -> Feedback:
    """Check a scale of MS-Dual, ``unguided(C)``: an `nn.Module` with ``entries`` and ``steps``, forward(raw, fused)."""
    for channels in (16, 8):
        verdict = _scale(unguided(channels), channels)
        if not verdict:
            break
    return verdict


def _scale(mine: nn.Module, channels: int) -> Feedback:
    torch.manual_seed(0)
    theirs = GuidedAttention(channels, lambda inputs: DualAttention(channels, inputs)).double().eval()
    for module in theirs.modules():
        if hasattr(module, "lam"):
            nn.init.constant_(module.lam, 0.5)
    mine = mine.double().eval()
    own, given = ({name: tuple(value.shape) for name, value in one.state_dict().items()} for one in (mine, theirs))
    if own != given:
        missing, extra = sorted(set(given) - set(own)), sorted(set(own) - set(given))
        names = "; ".join(f"{what} {', '.join(n[:3])}" for what, n in (("missing", missing), ("too many", extra)) if n)
        return Feedback(False, f"The weights do not fit: {names or 'other shapes'}. Call the parts entries and steps.")
    mine.load_state_dict(theirs.state_dict())
    x = torch.randn((1, 2 * channels, 6, 5), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        result = module_result(_BothInputs(mine), x)
        if isinstance(result, Feedback):
            return result
        known = _known(theirs, *x.chunk(2, dim=1))
        right = known.pop("")
    return judge(result, right, known, "The same features with the same weights: your scale is MS-Dual's.")


def _known(scale: GuidedAttention, raw: Tensor, fused: Tensor) -> dict[str, Tensor]:
    """The right features, under no words, and those of usual mistakes."""
    first, second = (lambda x, t=t: scale.steps[t](scale.entries[t](x)) for t in (0, 1))
    attended = first(torch.cat([raw, fused], dim=1))
    return {
        "": second(torch.cat([raw, attended * fused], dim=1)),
        "These are the features of step 1; step 2 attends again.": attended,
        "Step 2 got the product alone, or twice; the raw features stand before it.": second(
            torch.cat([attended * fused, attended * fused], dim=1)
        ),
        "Step 2 got the attention features themselves; they multiply the fused map first.": second(
            torch.cat([raw, attended], dim=1)
        ),
        "Step 2 got the fused map without the product: step 1 has no say.": second(torch.cat([raw, fused], dim=1)),
        "Raw features come first, the product second; concatenation has an order.": second(
            torch.cat([attended * fused, raw], dim=1)
        ),
        "The first concatenation is [raw, fused]; it has an order.": second(
            torch.cat([raw, first(torch.cat([fused, raw], dim=1)) * fused], dim=1)
        ),
    }


@checker
def check_complaints(complaints: Callable[[Shapes, Shapes], Collection[str]]) -> Feedback:
    """Check what a loader should say, ``complaints(mine, theirs)``: "missing NAME", "unexpected NAME", "shape NAME"."""
    cases: list[tuple[Shapes, Shapes]] = [
        ({"a": (2,), "b": (3,)}, {"b": (4,), "c": (1,)}),
        ({"w": (2, 3), "x": (1,), "z": (5,)}, {"w": (2, 3), "z": (5,), "y": (1,), "d": (2,)}),
        ({"p": (4, 1), "o": (4,)}, {"o": (1, 4), "p": (1, 4)}),
        ({"same": (1,)}, {"same": (1,)}),
    ]
    for mine, theirs in cases:
        found = sorted(complaints(dict(mine), dict(theirs)))
        missing, extra = set(theirs) - set(mine), set(mine) - set(theirs)
        both = {name for name in mine.keys() & theirs.keys() if mine[name] != theirs[name]}
        right = _lines(missing=missing, unexpected=extra, shape=both)
        if found == right:
            continue
        known = {
            "What only theirs has is missing, and what only mine has is unexpected.": _lines(
                missing=extra, unexpected=missing, shape=both
            ),
            "Of the names that both have, only those with another shape are a complaint.": _lines(
                missing=missing, unexpected=extra, shape=mine.keys() & theirs.keys()
            ),
            "Names that both have may still have different shapes.": _lines(missing=missing, unexpected=extra),
            "What is left over in mine is a complaint, too: its weights would stay random.": _lines(
                missing=missing, shape=both
            ),
        }
        why = next((why for why, lines in known.items() if lines == found), "")
        return Feedback(False, f"complaints({mine}, {theirs}) gave {found}, expected {right}. {why}".rstrip())
    return Feedback(True, "Missing, unexpected, of another shape: now an error message can say what to do.")


def _lines(**names: Iterable[str]) -> list[str]:
    return sorted(f"{what} {name}" for what, group in names.items() for name in group)


@checker
def check_brick_cost(brick_cost: Callable[[int, int, int, int, int], tuple[int, int]]) -> Feedback:
    """Check parameters and operations of a brick, ``brick_cost(inputs, outputs, size, h, w)``."""
    for inputs, outputs, size, h, w in ((128, 64, 3, 64, 64), (32, 16, 1, 8, 4)):
        numbers, operations = brick_cost(inputs, outputs, size, h, w)
        products = inputs * outputs * size**2
        right = products + 2 * outputs + 1
        call = f"brick_cost({inputs}, {outputs}, {size}, {h}, {w}) gave ({numbers:g}, {operations:g})"
        known = {
            products: "batch norm has a weight and a bias for each channel, PReLU one number.",
            products + 2 * outputs: "PReLU has one number.",
            products + outputs + 1: "batch norm has a weight and a bias for each channel.",
            products + 3 * outputs + 1: "the convolution has no bias, which batch norm would take away again.",
            products + 3 * outputs: "PReLU has one number, not one for each channel.",
            products
            + 4 * outputs
            + 1: "running mean and variance are counted by nobody who trains: they are no parameters.",
            inputs * outputs * size + 2 * outputs + 1: "the kernel is a square.",
        }
        if numbers != right:
            return Feedback(False, f"{call}: {known.get(numbers, f'expected {right} parameters.')}")
        of_operations = {
            products * h * w: "a product and its sum are two operations.",
            2 * products: "this is for one position; the map has h times w.",
            2 * right * h * w: "count the convolution alone.",
        }
        if operations != 2 * products * h * w:
            otherwise = f"expected {2 * products * h * w} operations."
            return Feedback(False, f"{call}: {of_operations.get(operations, otherwise)}")
    return Feedback(
        True, "Parameters do not know how large the map is; arithmetic does, and that is why the two differ."
    )
