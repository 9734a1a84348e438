"""Checkers for the exercises of the chapter *On a GPU*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from guided_attention.teaching.feedback import Feedback, checker, mistake

__all__ = ["check_most", "check_queue", "check_timed"]


class _Device:
    """A device with a clock of its own, whose orders return at once; its first order takes longer."""

    def __init__(self, seconds: float, first: float) -> None:
        self.now, self.free, self.seconds, self.first = 0.0, 0.0, seconds, first
        self.orders, self.waits = 0, 0

    def work(self) -> None:
        self.now += 1e-5  # the letter
        self.free = max(self.free, self.now) + (self.seconds if self.orders else self.first)
        self.orders += 1

    def wait(self) -> None:
        self.now = max(self.now, self.free)
        self.waits += 1

    def clock(self) -> float:
        return self.now


@checker
def check_timed(timed: Callable[[Callable, Callable, Callable, int], float]) -> Feedback:
    """Check a clock that waits for a device, ``timed(work, wait, clock, times)``."""
    for seconds, first, times in ((0.2, 5.0, 4), (0.03, 1.0, 10)):
        device = _Device(seconds, first)
        found = timed(device.work, device.wait, device.clock, times)
        letters = times * 1e-5
        known = {
            "This is the post: nothing waits before the clock is read for the second time.": letters / times,
            "The first order brings its kernel along: call it once, and wait, before the clock starts.": (
                first + (times - 1) * seconds
            )
            / times,
            "The clock starts while the first order is still at work: wait before it, too.": (first + times * seconds)
            / times,
            "This is the time of all calls: divide by their number.": times * seconds,
            "One order more than was asked is in the measured time.": (times + 1) * seconds / times,
        }
        words = f"Orders of {seconds} s each, found {found:.4g} s: warm up, wait, start, post, wait, stop, divide."
        if why := mistake(found, seconds, known, words, rel_tol=0.01):
            return Feedback(False, why)
        if device.waits > times:
            return Feedback(False, "Waiting after every call lets nothing run ahead: wait once, after all of them.")
    return Feedback(True, "It waits twice, and measures the factory instead of the post.")


@checker
def check_most(most: Callable[[float, float, float, float], float]) -> Feedback:
    """Check the largest batch, ``most(memory, parameters, per_slice, reserve)``."""
    cases = (
        (16e9, 300e6, 0.5e9, 0.1),
        (16e9, 59.2e6, 0.62e9, 0.15),
        (2e9, 200e6, 0.5e9, 0.1),
        (80e9, 100e6, 0.6e9, 0.2),
    )
    for memory, parameters, per_slice, reserve in cases:
        room = (1 - reserve) * memory - 16 * parameters
        right = max(0, int(room // per_slice))
        known = {
            "A batch is a whole number, and a slice that fits in part does not fit.": max(0.0, room / per_slice),
            "Less than nothing does not exist: if the weights do not fit, no slice does.": room // per_slice,
            "The weights need room as well: 16 bytes for each parameter.": (1 - reserve) * memory // per_slice,
            "These are the weights alone: their gradients and Adam's two means are as large.": max(
                0, int(((1 - reserve) * memory - 4 * parameters) // per_slice)
            ),
            "The reserve stays free.": max(0, int((memory - 16 * parameters) // per_slice)),
            "Round down: the next larger batch does not fit.": max(0, round(room / per_slice)),
        }
        if why := mistake(most(memory, parameters, per_slice, reserve), right, known, f"Expected {right}."):
            return Feedback(False, why)
    return Feedback(True, "Now you know before you try, and need not crash to find out.")


@checker
def check_queue(queue: Callable[[Sequence[float], float], float]) -> Feedback:
    """Check when the last of some posted orders is done, ``queue(lengths, letter)``."""
    cases = (([0, 0, 0], 2.0), ([3, 1, 1], 1.0), ([0.5, 4, 0.5, 0.5], 1.0), ([2, 2, 2], 0.5), ([1, 0.1, 3], 2.0))
    for lengths, letter in cases:
        right = _queue(lengths, letter, first=1)
        known = {
            "This is the formula; here the queue itself is asked for.": max(len(lengths) * letter, sum(lengths)),
            "Posting and work overlap: this adds them up.": len(lengths) * letter + sum(lengths),
            "The first order is posted after one letter, not at zero.": _queue(lengths, letter, first=0),
            "This is the work alone; an order cannot begin before it is posted.": sum(lengths),
            "The device does one after the other: each begins when the one before is done.": max(
                n * letter + length for n, length in enumerate(lengths, 1)
            ),
        }
        words = f"Expected {right:g} for {lengths} and letters of {letter:g}."
        if why := mistake(queue(list(lengths), letter), right, known, words):
            return Feedback(False, why)
    return Feedback(True, "Letters and work hide each other only where they come mixed.")


def _queue(lengths: Sequence[float], letter: float, first: int) -> float:
    free = 0.0
    for n, length in enumerate(lengths, first):
        free = max(free, n * letter) + length
    return free
