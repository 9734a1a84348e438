"""Where the time goes: every operation in one kind, and the record of a small step."""

import json

import pytest
import torch

from benchmarks.where import KINDS, kind, main, seconds_by_kind, table


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aten::mkldnn_convolution", "convolution"),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", "convolution"),
        ("aten::bmm", "products of attention"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "products of attention"),
        ("aten::native_batch_norm_backward", "batch norm"),
        ("aten::upsample_bilinear2d", "enlarging and pooling"),
        ("aten::_fused_adam_", "optimizer"),
        ("aten::cat", "copies"),
        ("aten::add_", "everything else, number by number"),
    ],
)
def test_each_operation_is_of_one_kind(name, expected):
    assert kind(name) == expected


def test_a_product_is_found_to_be_what_takes_the_time():
    a = torch.randn(2, 400, 400)
    seconds = seconds_by_kind(lambda: torch.bmm(a, a), times=3)
    assert max(seconds, key=seconds.get) == "products of attention"
    assert set(seconds) == set(KINDS)


def test_shares_are_of_the_contender_s_total():
    rows = table({"a": {name: 0.0 for name in KINDS} | {"convolution": 0.003, "batch norm": 0.001}}).splitlines()
    assert "| convolution | 3 ms (75%) |" in rows
    assert rows[-1] == "| together | 4 ms |"


def test_a_small_step_leaves_a_record_with_its_origin(tmp_path, capsys):
    assert main(["--quick", "--times", "1", "--threads", "1", "--out", str(tmp_path / "where.json")]) == 0
    record = json.loads((tmp_path / "where.json").read_text())
    assert record["quick"] is True
    assert all(sum(seconds.values()) > 0 for seconds in record["seconds"].values())
    assert record["provenance"]["torch"] == str(torch.__version__)
    assert "| convolution |" in capsys.readouterr().out
