"""Checkers for the exercises of the chapter *Does the map explain?*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from guided_attention.models.attention import PositionAttention
from guided_attention.teaching.feedback import Feedback, checker, judge, mistake, module_result

__all__ = ["check_area", "check_deaf", "check_rank_alike"]


@checker
def check_area(area: Callable[[Sequence[float], Sequence[float]], float]) -> Feedback:
    """Check the mean height of a curve by trapezoids, ``area(shares, values)``."""
    cases = (([0.0, 0.1, 1.0], [1.0, 0.5, 0.5]), ([0.02, 0.05, 0.1, 0.2], [0.9, 0.7, 0.6, 0.1]))
    for shares, values in cases:
        s, v = np.array(shares), np.array(values)
        width, step = s[-1] - s[0], np.diff(s)
        right = float((step * (v[1:] + v[:-1]) / 2).sum() / width)
        known = {
            "This is the mean of the values: shares that are not even need their widths.": v.mean(),
            "Divide by the width of the shares, so that a constant keeps its height.": right * width,
            "These are rectangles with the earlier value: take the mean of both ends.": (step * v[:-1]).sum() / width,
            "These are rectangles with the later value: take the mean of both ends.": (step * v[1:]).sum() / width,
            "Divide by the last share less the first, not by the last.": right * width / s[-1],
        }
        if why := mistake(area(shares, values), right, known, f"Expected {right:.4f} for {shares} and {values}."):
            return Feedback(False, why)
    return Feedback(True, "A constant keeps its height, and a wide piece counts for its width.")


@checker
def check_rank_alike(rank_alike: Callable[[np.ndarray, np.ndarray], float]) -> Feedback:
    """Check Spearman's rank correlation of two maps without ties, ``rank_alike(a, b)``."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 7))
    for b in (np.exp(3 * a), -(a**3), a + rng.normal(size=a.shape), np.exp(2 * rng.normal(size=a.shape))):
        right = _correlation(_ranks(a), _ranks(b))
        known = {
            "This is the correlation of the values; compare their ranks.": _correlation(a, b),
            "argsort says who comes first; sort once more to tell each one its rank.": _correlation(
                a.ravel().argsort(), b.ravel().argsort()
            ),
            "Ranks run over the whole map, not over each row.": _correlation(
                a.argsort(1).argsort(1), b.argsort(1).argsort(1)
            ),
            "The sign matters: opposite lists give -1.": abs(right),
        }
        if why := mistake(rank_alike(a.copy(), b.copy()), right, known, f"Expected {right:.3f} for one pair of maps."):
            return Feedback(False, why)
    return Feedback(True, "A growing function changes no rank, so it changes nothing here.")


def _ranks(values: np.ndarray) -> np.ndarray:
    return values.ravel().argsort().argsort()


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@checker
def check_deaf(deaf: Callable[[int, int], nn.Module]) -> Feedback:
    """Check position attention whose askers lose their loudest answers, ``deaf(channels, k)``."""
    for channels, k in ((8, 0), (8, 3), (16, 5)):
        torch.manual_seed(0)
        theirs = PositionAttention(channels).double()
        mine = deaf(channels, k).double()
        own, given = ({name: value.shape for name, value in one.state_dict().items()} for one in (mine, theirs))
        if {name: shape.numel() for name, shape in own.items()} != {name: s.numel() for name, s in given.items()}:
            odd = sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name))
            return Feedback(False, f"The weights do not fit at {', '.join(odd[:3])}: query, key, value and lam.")
        with torch.no_grad():
            theirs.lam.fill_(0.7)
            mine.load_state_dict({name: value.view(own[name]) for name, value in theirs.state_dict().items()})
            x = torch.randn((2, channels, 3, 4), generator=torch.Generator().manual_seed(k), dtype=torch.float64)
            found = module_result(mine, x)
            if isinstance(found, Feedback):
                return found
            verdict = judge(found, _deaf(theirs, x, k), _mistakes(theirs, x, k) if k else {}, rel_tol=1e-6)
        if not verdict:
            return verdict
    return Feedback(True, "What remains is scaled up, so each asker still gets one whole answer.")


def _deaf(
    module: PositionAttention, x: Tensor, k: int, axis: int = 1, loudest: bool = True, whole: bool = True
) -> Tensor:
    query, key, value = (conv(x).flatten(2) for conv in (module.query, module.key, module.value))
    weights = (key.mT @ query).softmax(1)
    gone = weights.topk(k, dim=axis, largest=loudest).indices
    weights = weights.scatter(axis, gone, 0.0)
    if whole:
        weights = weights / weights.sum(1, keepdim=True)
    return module.lam * (value @ weights).view_as(x) + x


def _mistakes(module: PositionAttention, x: Tensor, k: int) -> dict[str, Tensor]:
    return {
        "Nothing is lost: all answers are heard.": _deaf(module, x, 0),
        "The rest has to be scaled up to 1 again.": _deaf(module, x, k, whole=False),
        "These are the quietest answers; the loudest have to go.": _deaf(module, x, k, loudest=False),
        "Each answer has lost its askers: the k go from each column j, along i.": _deaf(module, x, k, axis=2),
        "F itself is missing at the end.": _deaf(module, x, k) - x,
    }
