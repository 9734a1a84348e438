"""Checkers for the exercises of the chapter *Scaling out*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_finish", "check_gain", "check_merge"]

Part = tuple[float, float, float]


@checker
def check_merge(merge: Callable[[Part, Part], tuple[float, float, float]]) -> Feedback:
    """Check count, mean and variance of two halves together, ``merge(a, b)``."""
    rng = np.random.default_rng(0)
    halves = (
        (np.array([-1.0, 1.0]), np.array([3.0, 5.0])),
        (rng.normal(size=5), rng.normal(2, 3, size=12)),
        (rng.normal(5, 1, size=9), rng.normal(5, 2, size=2)),
    )
    for first, second in halves:
        (n, m_1, v_1), (m, m_2, v_2) = a, b = _part(first), _part(second)
        right, both = np.array(_part(np.concatenate([first, second]))), n + m
        inside = (n * v_1 + m * v_2) / both
        plain, between = (m_1 + m_2) / 2, (v_1 + v_2) / 2
        known = {
            "The means differ, too: what lies between them belongs to the variance.": (both, right[1], inside),
            "The mean of means is right for halves of one size only: weigh with the counts.": (
                both,
                plain,
                right[2],
            ),
            "Weigh with the counts: the mean of means and of variances fits halves of one size only.": (
                both,
                plain,
                between + ((m_1 - plain) ** 2 + (m_2 - plain) ** 2) / 2,
            ),
            "The variance is the mean of squares here: divide by the count, not by one less.": (
                both,
                right[1],
                right[2] * both / (both - 1),
            ),
            "This is the sum of squared distances: divide it by the count.": (both, right[1], right[2] * both),
            "Both variances have to be weighed with their counts.": (
                both,
                right[1],
                between + (n * (m_1 - right[1]) ** 2 + m * (m_2 - right[1]) ** 2) / both,
            ),
        }
        words = f"For {tuple(np.round(a, 3))} and {tuple(np.round(b, 3))} expected {tuple(np.round(right, 3))}."
        found = np.array(merge(a, b))
        if why := mistake(found, right, {key: np.array(value) for key, value in known.items()}, words):
            return Feedback(False, why)
    return Feedback(True, "Nobody had to see the numbers of the other half, only three of them.")


def _part(values: np.ndarray) -> Part:
    return float(len(values)), float(values.mean()), float(values.var())


@checker
def check_finish(finish: Callable[[Sequence[float], int], float]) -> Feedback:
    """Check when the last trial ends, ``finish(times, workers)``, the longest first."""
    for times, workers in (([3, 3, 2, 2, 2], 2), ([1.5, 4, 2, 6, 3.5, 1], 3), ([5], 4), ([2, 2, 7], 1)):
        right = _finish(sorted(times, reverse=True), workers)
        known = {
            "Parts of a trial cannot be shared, and this is an even share.": sum(times) / workers,
            "This takes them in the order given; begin with the longest.": _finish(times, workers),
            "This takes the shortest first, so the longest keeps everybody waiting.": _finish(sorted(times), workers),
            "They work side by side: this is the sum.": sum(times),
            "The longest alone is a lower bound; others may have to wait for a worker.": max(times),
        }
        words = f"Expected {right:g} for {times} and {workers} workers."
        if why := mistake(finish(list(times), workers), right, known, words):
            return Feedback(False, why)
    return Feedback(True, "Never more than a third above the best plan there is (Graham 1969).")


def _finish(times: Sequence[float], workers: int) -> float:
    free = [0.0] * workers
    for one in times:
        free[free.index(min(free))] += one
    return max(free)


@checker
def check_gain(gain: Callable[[float, float, float, int], float]) -> Feedback:
    """Check how many times as fast a step is on several devices, ``gain(compute, size, speed, devices)``."""
    for compute, size, speed, devices in ((1.5, 1e9, 1e9, 2), (2.0, 4e8, 2.5e10, 4), (0.5, 4e8, 1.25e9, 8)):
        sent = size / speed
        talking = 2 * (devices - 1) / devices * sent
        known = {
            "This leaves the talking out.": float(devices),
            "All devices compute side by side: divide the work among them.": compute / (compute + talking),
            "In a ring each sends 2 (P - 1) / P of the gradients, not all of them once.": compute
            / (compute / devices + sent),
            "Both ways count: to add up and to hand out.": compute / (compute / devices + talking / 2),
            "This is the time of a step; asked is how many times as fast it is.": compute / devices + talking,
            "The other way round: more is faster.": (compute / devices + talking) / compute,
        }
        right = compute / (compute / devices + talking)
        words = f"Expected {right:.3f} for {compute} s, {size:g} bytes at {speed:g} a second, {devices} devices."
        if why := mistake(gain(compute, size, speed, devices), right, known, words):
            return Feedback(False, why)
    return Feedback(True, "The wire decides, so look at it before you buy the second device.")
