"""What every checker does with an answer that is not written yet, and with one that stumbles."""

import math
from functools import partial

import numpy as np
import pytest

from guided_attention.teaching.feedback import Feedback, checker


@checker
def check_half(half):
    """Right if half(4) is 2."""
    found = half(4)
    return Feedback(math.isclose(found, 2), f"{found:g}, expected 2.")


@partial(checker, in_place=True)
def check_emptied(empty):
    """Right if empty(items) empties the list."""
    items = [1]
    empty(items)
    return Feedback(not items, f"{len(items)} left.")


def halved(x):
    return x / 2


def unwritten(x): ...


def broken(x):
    raise TypeError("mine")


def test_a_verdict_passes_through_and_the_checker_keeps_its_words():
    assert check_half(halved)
    assert repr(check_half(lambda x: x)) == "✗ 4, expected 2."
    assert check_half.__doc__ == "Right if half(4) is 2."


def test_an_answer_may_be_an_array():
    @checker
    def check_zeros(zeros):
        return Feedback(not zeros(3).any(), "Not zero.")

    assert check_zeros(np.zeros)
    assert repr(check_zeros(np.ones)) == "✗ Not zero."


def test_an_answer_that_returns_nothing_is_told_so():
    assert repr(check_half(unwritten)).startswith("✗ unwritten returned None: write it")
    assert repr(check_half(partial(unwritten))).startswith("✗ The answer returned None")


def test_nothing_is_right_where_the_argument_changes_in_place():
    assert check_emptied(lambda items: items.clear())
    assert repr(check_emptied(unwritten)) == "✗ 1 left."


def test_the_readers_own_exceptions_are_the_readers():
    with pytest.raises(TypeError, match="mine"):
        check_half(broken)
    with pytest.raises(TypeError, match="must be real number, not str"):
        check_half(lambda x: "2")
