"""Checkers for the exercises of the chapter *Channels ask channels*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from guided_attention.teaching.feedback import Feedback, checker, judge, mistake, module_result

__all__ = ["check_cosine_channels", "check_gram_in_pieces", "check_half_energies", "check_loudest"]

#: The largest number of half precision.
_LARGEST = torch.finfo(torch.float16).max


@checker
def check_loudest(loudest: Callable[[int, int], float]) -> Feedback:
    """Check the root mean square from which a channel's own energy overflows half precision, ``loudest(size, stride)``.

    For an image of ``size`` x ``size`` pixels and features at ``stride``.
    """
    for size, stride in ((256, 4), (128, 4), (96, 8)):
        found, n = loudest(size, stride), (size // stride) ** 2
        known = {
            "That is the energy over N: its root is the root mean square.": _LARGEST / n,
            "That is the norm; the root mean square is the norm over the root of N.": _LARGEST**0.5,
            "The image has size x size pixels, the map only one position for stride x stride of them.": (
                _LARGEST**0.5 / size
            ),
            "N is the number of positions, in both directions.": (_LARGEST / (size // stride)) ** 0.5,
            "65536 is the first power of two that does not fit; the largest number of half precision is 65504.": (
                65536 / n
            )
            ** 0.5,
            "That is the largest number of bfloat16, which reaches as far as float32: torch.float16 was meant.": (
                torch.finfo(torch.bfloat16).max / n
            )
            ** 0.5,
        }
        if why := mistake(found, (_LARGEST / n) ** 0.5, known, "An energy is a sum of N squares."):
            return Feedback(False, f"loudest({size}, {stride}) gave {found:g}. {why}")
    return Feedback(True, "Twice the image, half the loudness that it can bear.")


@checker
def check_gram_in_pieces(gram: Callable[[Sequence[Tensor]], Tensor]) -> Feedback:
    """Check the Gram matrix of a map that comes in pieces, ``gram(pieces)``: tensors (C, n_k) to (C, C)."""
    for c, sizes in ((3, (4, 4, 2)), (4, (5, 1)), (2, (3, 3, 3, 3))):
        generator = torch.Generator().manual_seed(0)
        pieces = [torch.randn((c, n), generator=generator, dtype=torch.float64) for n in sizes]
        grams = [piece @ piece.T for piece in pieces]
        right, means = sum(grams), torch.stack([piece.mean(1) for piece in pieces], 1)
        known = {
            "That is a mean; a sum over positions is a sum over pieces.": right / len(pieces),
            "You divided by the number of positions; the energy of the paper is the sum.": right / sum(sizes),
            "That is the Gram matrix of the last piece alone: add, do not replace.": grams[-1],
            "That is the Gram matrix of the first piece alone: is there a return inside the loop?": grams[0],
            "That is the Gram matrix of the pieces' means; products come before sums.": means @ means.T,
            "The map is symmetric, its softmax is not: asked for are the energies.": right.softmax(0),
            "These are cosines: the channels were brought to one norm.": right
            / (right.diagonal()[:, None] * right.diagonal()).sqrt(),
        }
        found = gram([piece.clone() for piece in pieces])
        verdict = judge(found, right, known, "Channel attention never needs the whole map: it keeps C x C numbers.")
        if not verdict:
            break
    return verdict


@checker
def check_half_energies(energies: Callable[[Tensor], Tensor]) -> Feedback:
    """Check energies over the root of N that survive half precision, ``energies(f)``: float16 (C, N) to (C, C)."""
    for c, n, loud in ((4, 1024, 12.0), (3, 4096, 6.0)):
        generator = torch.Generator().manual_seed(0)
        f = (loud * torch.randn((c, n), generator=generator)).half()
        exact = f.double() @ f.double().T
        right, found = exact / n**0.5, energies(f.clone())
        known = {
            "The root of N is missing.": exact,
            "Divide by the root of N, not by N.": exact / n,
            "Each factor was divided by the root of N, so the product by N: the fourth root, twice, makes the root.": (
                exact / n
            ),
            "You divided by the root of C. Whose sum is it? One over N positions.": exact / c**0.5,
        }
        if found.shape == right.shape and not found.isfinite().all():
            return Feedback(
                False,
                f"{int((~found.isfinite()).sum())} of {found.numel()} energies overflowed: the product passes 65504 "
                "before it is divided. Divide the factors first.",
            )
        # float16 has 11 bits, so a sum that it keeps errs by a thousandth of the largest energy
        near = found.shape == right.shape and (found - right).abs().max() < 0.004 * right.abs().max()
        if not near:
            return judge(found, right, known, rel_tol=4e-3)
    return Feedback(True, "Finite and right to a thousandth; the same numbers, divided in time.")


@checker
def check_cosine_channels(cosine_channels: Callable[[float], nn.Module]) -> Feedback:
    """Check channel attention that is deaf to loudness, ``cosine_channels(temperature)``: an `nn.Module`.

    Energies are the cosines of the channels times ``temperature``; values are the channels as they are; ``.lam``, a
    parameter of one number, starts at 0. (B, C, h, w) to the same.
    """
    for temperature, shape in ((4.0, (2, 5, 3, 4)), (9.0, (1, 3, 6, 2))):
        verdict = _cosine_channels(cosine_channels(temperature), temperature, shape)
        if not verdict:
            break
    return verdict


def _cosine_channels(module: nn.Module, temperature: float, shape: tuple[int, ...]) -> Feedback:
    lam = getattr(module, "lam", None)
    if not isinstance(lam, nn.Parameter) or lam.numel() != 1:
        return Feedback(False, "The module needs a parameter of one number, self.lam = nn.Parameter(torch.zeros(1)).")
    if lam.item() != 0:
        return Feedback(False, f"lam starts at {lam.item():g}; it should start at 0, so that a fresh module is none.")
    nn.init.constant_(lam, 0.5)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x * torch.linspace(0.5, 3, shape[1], dtype=torch.float64)[:, None, None]
    with torch.no_grad():
        result = module_result(module.double(), x)
    if isinstance(result, Feedback):
        return result
    f = x.flatten(2)
    unit = functional.normalize(f, dim=2)
    cosine = unit @ unit.transpose(1, 2)

    def attended(energy: Tensor, values: Tensor = f, axis: int = 2) -> Tensor:
        s = energy.softmax(axis)  # (B, C, C): row j asks
        return (0.5 * s @ values + f).view(shape)

    right = attended(temperature * cosine)
    by_place = functional.normalize(f, dim=1)
    known = {
        "The channels still listen by loudness: divide each by its norm before the product.": attended(
            f @ f.transpose(1, 2)
        ),
        "The channels still listen by loudness: only one of the two factors is normalised.": attended(
            temperature * unit @ f.transpose(1, 2)
        ),
        "You normalised each position over the channels; a channel's norm is taken over its positions.": attended(
            temperature * by_place @ by_place.transpose(1, 2)
        ),
        "The values were normalised, too: what is heard should be the channels as they are.": attended(
            temperature * cosine, unit
        ),
        "The temperature is missing: cosines reach from -1 to 1, and their softmax is nearly even.": attended(cosine),
        "Multiply the cosines by the temperature; you divided.": attended(cosine / temperature),
        "The softmax ran over those who ask; each asker's weights have to add up to 1.": attended(
            temperature * cosine, axis=1
        ),
        "The input is missing: lam times what was heard, plus x.": right - x,
        "lam is not in it.": 2 * (right - x) + x,
    }
    return judge(result, right, known, "A loud channel no longer overrules the others; nor does a larger image matter.")
