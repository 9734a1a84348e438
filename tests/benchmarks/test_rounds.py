"""Turns, contenders that are missing or die, and one small benchmark from the command line to its record."""

import json

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.case import Case, Job, Work
from benchmarks.cases import CASES, MEASURED
from benchmarks.metrics import METRICS, PROGRAMS, prediction_of, reference_of
from benchmarks.rounds import BenchmarkError, Process, measurement, missing, turns
from benchmarks.worker import BytesMoved, Contender, allocated
from guided_attention.report.speed import load_speed


def test_everybody_is_once_in_every_round_and_once_in_every_place():
    orders = list(turns(["a", "b", "c"], 4))
    assert orders == [("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b"), ("a", "b", "c")]


def test_a_package_that_is_not_there_is_named_and_left_out():
    case = Case(
        "x", "X", lambda job, size: Work(int), lambda device: ("ours", "theirs"), needs={"theirs": ("nox", "NoX")}
    )
    assert missing(case, "cpu") == {"theirs": "pip install NoX"}
    assert set(METRICS.needs) < set(PROGRAMS)


def test_a_process_answers_until_it_ends_and_then_says_why():
    with Process(Job("cam", "literal", quick=True)) as process:
        assert process.ask(64)["seconds"] > 0
        with pytest.raises(BenchmarkError, match=r"(?s)^cam, literal: its process ended with 1:.*TypeError"):
            process.ask("many")


def test_answers_of_one_contender_become_one_measurement():
    answers = [
        {"seconds": 2.0, "memory": 5, "operations": 3.0, "precision": "bfloat16", "facts": {"slices": 4}},
        {"seconds": 1.0, "memory": 7},
    ]
    found = measurement("ours", 64, answers)
    assert (found.seconds, found.size, found.memory, found.operations) == ((2.0, 1.0), 64, 7, 3.0)
    assert (found.precision, found.facts, found.moved) == ("bfloat16", {"slices": 4}, None)


def test_bytes_moved_are_what_operations_read_and_write():
    a, b = torch.ones(10, 20), torch.ones(20, 30)
    with BytesMoved() as counter:
        (a @ b).t()  # the transposed view moves nothing
    assert counter.total == 4 * (10 * 20 + 20 * 30 + 10 * 30)


def test_memory_is_the_most_that_is_there_at_the_same_time():
    x = torch.ones(1000, 1000)

    def once():
        y = x + 1  # 4 MB, and 4 MB more
        z = y + 1
        del y
        return z + 1  # again two at a time

    assert allocated(once, "cpu") == pytest.approx(8e6, rel=0.01)


def test_the_machine_is_measured_by_products_and_by_copies():
    peaks = Contender(Job("peaks", "machine", quick=True)).answer(None)["peaks"]
    assert set(peaks) == {"float32", "bfloat16", "copy"}
    assert min(peaks.values()) > 0


@pytest.mark.parametrize("case", MEASURED)
def test_every_case_says_what_it_is(case):
    case = CASES[case]
    for device in ("cpu", "cuda"):
        assert len(set(case.contenders(device))) == len(case.contenders(device)) > 0
        assert all(isinstance(value, str | int | float | bool) for value in case.settings(True, device).values())


def test_other_programs_agree_where_definitions_do():
    job = Job("metrics", "package", quick=True)
    volume = reference_of(job)
    pred = prediction_of(volume.labels)
    ours, monai = (PROGRAMS[name](pred, volume.labels, volume.spacing) for name in ("package", "MONAI"))
    for name in ("MSD", "HD95", "NSD"):
        assert ours[name] == pytest.approx(monai[name], rel=1e-5), name
        assert 0 < ours[name][0] < 20


@pytest.mark.parametrize("contender", ["literal", "package", "package, bf16"])
@pytest.mark.parametrize("case", ["inference", "pam"])
def test_contenders_count_the_same_arithmetic(case, contender):
    answer = Contender(Job(case, contender, quick=True)).answer(64 if case == "pam" else None)
    literal = CASES[case].prepare(Job(case, "literal", quick=True), 64 if case == "pam" else None)
    assert answer["operations"] == literal.operations > 0
    assert answer["moved"] > 0
    assert answer["seconds"] > 0
    assert answer["memory"] > 0


class Here:
    """What `Process` is, without one: a test need not start four Pythons."""

    def __init__(self, job):
        self.contender = Contender(job)

    def ask(self, size):
        return json.loads(json.dumps(self.contender.answer(size)))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def test_from_the_command_line_to_the_record(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.rounds.Process", Here)
    assert main(["--quick", "--only", "cam", "--rounds", "2", "--device", "cpu", "--out", str(tmp_path)]) == 0
    (record,) = load_speed("cam", tmp_path)
    assert record.quick
    assert record.contenders == ("literal", "package", "package, bf16")
    assert [m.size for m in record.measurements if m.contender == "literal"] == [64, 256, 576]
    assert all(len(m.seconds) == 2 and m.memory > 0 for m in record.measurements)
    assert record.peaks.float32 > 0
    said = capsys.readouterr().out
    assert "quick, only to see that it works: Channel attention alone" in said
    assert "time grows as N^" in said
    (picture,) = tmp_path.glob("*.png")
    assert picture.stem == next(tmp_path.glob("*.json")).stem
    assert json.loads(next(tmp_path.glob("*.json")).read_text())["settings"]["device"] == "cpu"


def test_a_case_that_cannot_be_measured_is_told_and_fails(tmp_path, capsys, monkeypatch):
    def broken(*arguments):
        raise BenchmarkError("book, all chapters: no build")

    monkeypatch.setattr("benchmarks.__main__.measure", broken)
    assert main(["--only", "book", "--out", str(tmp_path)]) == 1
    assert "no build" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_book_s_times_are_those_of_its_build(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.starting.ROOT", tmp_path)
    contender = Contender(Job("book", "all chapters"))
    with pytest.raises(BenchmarkError, match="Run: make book"):
        contender.answer(None)
    chapters = tmp_path / "_build" / "chapters"
    chapters.mkdir(parents=True)
    for name, seconds in (("01_data", 12.5), ("02_other", 30.0)):
        (chapters / f"{name}.json").write_text(json.dumps({"chapter": name, "seconds": seconds}))
    answer = contender.answer(None)
    assert answer["seconds"] == 42.5
    assert answer["facts"] == {"01_data": 12.5, "02_other": 30.0}
