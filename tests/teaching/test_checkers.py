"""Every checker takes right answers, however written, names each usual mistake, and has words for what is no answer."""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from guided_attention import teaching
from guided_attention.teaching.feedback import Feedback, checker

ANSWERS = {}
for _path in sorted(Path(__file__).parent.glob("answers/ch*.py")):
    ANSWERS |= import_module(f"answers.{_path.stem}").ANSWERS


def cases(which):
    return [
        pytest.param(check, *(answer if which else (answer,)), id=f"{check.__name__}-{number}")
        for check, answers in ANSWERS.items()
        for number, answer in enumerate(answers[which])
    ]


def test_every_checker_has_right_answers_written_in_two_ways_and_several_wrong_ones():
    checkers = {getattr(teaching, name) for name in teaching.__all__} - {Feedback}
    assert set(ANSWERS) == checkers
    assert all(len(right) >= 2 and len(wrong) >= 3 for right, wrong in ANSWERS.values())


@pytest.mark.parametrize(("check", "answer"), cases(0))
def test_a_right_answer_passes(check, answer):
    assert repr(check(answer)).startswith("✓ ")


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
@pytest.mark.parametrize(("check", "answer", "words"), cases(1))
def test_a_wrong_answer_is_told_its_mistake(check, answer, words):
    verdict = check(answer)
    assert repr(verdict).startswith("✗ ")
    assert words in verdict.message or re.search(words, verdict.message)


def stumbles(*_):
    return [][1]


NO_ANSWERS = {
    "no return": (lambda *_: None, "returned None: write it"),
    "text": (lambda *_: "2", r"returned str '2'; expected (an?|\d) "),
    "ragged list": (lambda *_: [1, [2, 3]], r"returned list \[1, \[2, 3\]\]; expected (an?|\d) "),
    "another shape": (lambda *_: torch.zeros(2, 7, 7, 1, 3), r"\(2, 7, 7, 1, 3\)"),
    "an object": (lambda *_: len, r"returned builtin_function_or_method .*; expected (an?|\d) "),
    "not a number": (lambda *_: float("nan"), "."),
    "infinite": (lambda *_: float("inf"), "."),
    "error": (stumbles, r"stumbles raised IndexError: list index out of range \(in line \d+: `return \[\]\[1\]`\)"),
    "other arguments": (lambda: 0, "raised TypeError: .* positional argument"),
    "no function": (0.5, r"This is float 0\.5\. Give the function itself"),
}


@pytest.mark.parametrize("kind", NO_ANSWERS)
@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_what_is_no_answer_gets_words(check, kind):
    answer, words = NO_ANSWERS[kind]
    verdict = check(answer)
    assert not verdict
    assert "cannot be used" not in verdict.message  # the checker itself never stumbles
    if check is teaching.check_silence and kind not in ("error", "other arguments", "no function"):
        words = "A factor that changes nothing is 1"  # works in place: what it returns is nobody's business
    assert re.search(words, verdict.message)


@pytest.mark.parametrize(
    "check", [check for check in ANSWERS if check is not teaching.check_silence], ids=lambda check: check.__name__
)
def test_no_constant_passes(check):
    """What the first right answer says to the first question, said to every question."""
    (right, *_), _ = ANSWERS[check]
    said = []

    def constant(*arguments):
        if not said:
            said.append(right(*arguments))
        return said[0]

    assert not check(constant)


def test_a_checker_that_cannot_use_what_was_left_behind_says_so():
    verdict = teaching.check_silence(lambda net: setattr(net, "forward", None))
    assert not verdict
    assert "left behind cannot be used: TypeError" in verdict.message


def test_a_checker_keeps_its_words_and_names_answers_without_a_name():
    @checker
    def check_zeros(zeros: Callable[[int], np.ndarray]):
        """Right if zeros(3) is three zeros."""
        return Feedback(not zeros(3).any(), "Not zero.")

    assert check_zeros.__doc__ == "Right if zeros(3) is three zeros."
    assert check_zeros(np.zeros)
    assert repr(check_zeros(np.ones)) == "✗ Not zero."
