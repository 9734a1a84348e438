"""Records of speed: what follows from their numbers, and files that are not what they should be."""

import json
import math
from dataclasses import replace

import pytest

from guided_attention.errors import DataError, SettingsError
from guided_attention.figures import show_growth
from guided_attention.paths import speed_folder
from guided_attention.provenance import provenance
from guided_attention.report.speed import (
    Measurement,
    Peaks,
    SpeedRecord,
    load_speed,
    read_speed,
    waiting,
    write_speed,
)
from guided_attention.report.speed_table import growth, speed_table


@pytest.fixture
def record():
    slow = Measurement("literal", (4.0, 8.0, 5.0), memory=2**30, operations=8e11, moved=8e9)
    fast = Measurement("package, bf16", (2.0, 2.0, 2.5), memory=2**29, operations=8e11, moved=8e9, precision="bfloat16")
    return SpeedRecord(
        case="step",
        title="Training step",
        measurements=(slow, fast),
        settings={"batch": 2},
        quick=False,
        date="2026-01-02T03:04:05+00:00",
        provenance=replace(provenance(), commit="0123456789abcdef", dirty=False, device="A processor"),
        cores=2,
        load_before=(0.1, 0.2, 0.3),
        load_after=None,
        peaks=Peaks(float32=4e11, bfloat16=8e11, copy=8e9),
        missing={"MedPy": "pip install MedPy"},
    )


def test_numbers_worked_out_by_hand(record):
    literal = record.of("literal")
    assert (literal.median, literal.fastest, literal.spread) == (5.0, 4.0, 2.0)
    # within the rounds: 4 / 2, 8 / 2, 5 / 2.5
    assert record.speedup("package, bf16") == (2.0, 2.0, 4.0)
    assert record.speedup("literal", over="package, bf16") == (0.5, 0.25, 0.5)
    # 8e11 operations take 2 s at 4e11 per second; the fastest round took 4 s
    assert record.share_of_products("literal") == 0.5
    assert record.share_of_products("package, bf16") == 0.5  # 1 s of bfloat16 in 2 s
    assert record.share_of_copying("literal") == 0.25
    assert math.isnan(replace(record, peaks=None).share_of_products("literal"))


def test_what_is_not_in_the_record_is_named(record):
    with pytest.raises(SettingsError, match="'other' is unknown; choose one of 'literal'"):
        record.of("other")
    with pytest.raises(SettingsError, match="size=64"):
        record.of("literal", 64)


def test_waiting_is_what_a_batch_takes_of_both():
    step = Measurement("training step", (9.8,), facts={"slices": 2})
    batch = Measurement("augmented batch", (4.0,), facts={"slices": 40})
    made = SpeedRecord("data", "", (step, batch), {}, True, "", provenance(), 1, None, None)
    assert waiting(made) == pytest.approx(0.1 / 5.0)
    assert "2.0% beside a training step" in str(speed_table(made))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_exponent_of_a_power_is_found(exponent):
    sizes = [256, 1024, 4096, 16384]
    assert growth(sizes, [3e-7 * n**exponent for n in sizes]) == pytest.approx(exponent, rel=1e-9)
    uneven = [3e-7 * n**exponent * (1.1 if i % 2 else 0.9) for i, n in enumerate(sizes)]
    assert growth(sizes, uneven) == pytest.approx(exponent, abs=0.05)


@pytest.mark.parametrize(("sizes", "values"), [([1, 1], [2, 3]), ([1], [2]), ([1, 2], [0, 3]), ([1, 2], [3])])
def test_no_exponent_without_two_positive_sizes(sizes, values):
    with pytest.raises(DataError, match="two sizes"):
        growth(sizes, values)


def test_read_as_written(record, tmp_path):
    path = write_speed(record, tmp_path / "step.json")
    assert read_speed(path) == record
    older = write_speed(replace(record, date="2025-01-01T00:00:00+00:00"), tmp_path / "z.json")
    write_speed(replace(record, case="pam"), tmp_path / "pam.json")
    assert load_speed("step", tmp_path) == (read_speed(older), record)


def test_files_that_are_no_records_are_named(record, tmp_path):
    path = write_speed(record, tmp_path / "step.json")
    content = json.loads(path.read_text())
    for broken, said in (
        ({**content, "version": 99}, "version 99"),
        ({**content, "measurements": [{"contender": "literal"}]}, r"measurements\.0\.seconds"),
    ):
        path.write_text(json.dumps(broken))
        with pytest.raises(DataError, match=rf"step\.json: .*{said}"):
            read_speed(path)
    with pytest.raises(DataError, match=r"nothing\.json: cannot be read"):
        read_speed(tmp_path / "nothing.json")
    path.unlink()
    with pytest.raises(DataError, match=r"no record of 'step'.*python -m benchmarks --only step"):
        load_speed("step", tmp_path)


def test_table_says_where_and_under_which_load(record):
    table = speed_table(record)
    text = str(table)
    assert "| literal | 5.00 s | 4.00 s | 2.00 | 1.00 [1.00, 1.00] | 1024.0 | 50 | 25 |" in text
    assert "2.00 [2.00, 4.00]" in text
    for said in ("3 rounds", "load before 0.1 0.2 0.3", "load after unknown", "commit 0123456789", "A processor"):
        assert said in text
    assert "Without MedPy: pip install MedPy." in text
    assert "400 GFLOP/s in float32, 800 in bfloat16" in text
    assert "quick" not in text
    assert "quick" in speed_table(replace(record, quick=True)).title


def test_table_says_how_sizes_grow(record):
    sized = tuple(
        Measurement(name, (n**power * 1e-6,), n, memory=n**power)
        for name, power in (("literal", 2), ("package", 1))
        for n in (64, 256, 1024)
    )
    text = str(speed_table(replace(record, measurements=sized)))
    assert "literal: time grows as N^2.00, memory as N^2.00." in text
    assert "package: time grows as N^1.00, memory as N^1.00." in text


def test_picture_has_a_panel_for_each_quantity_and_both_axes_are_logarithmic():
    curves = {"literal": ([64, 256], [1.0, 16.0]), "package": ([64, 256], [1.0, 4.0])}
    figure = show_growth({"time": curves, "memory": curves})
    assert [ax.get_title() for ax in figure.axes] == ["time", "memory"]
    assert {(ax.get_xscale(), ax.get_yscale()) for ax in figure.axes} == {("log", "log")}
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["literal", "package"]


def test_committed_records_can_be_read():
    for path in sorted(speed_folder().glob("*.json")):
        record = read_speed(path)
        assert record.provenance.commit, path.name
        assert path.name.startswith(record.case)
