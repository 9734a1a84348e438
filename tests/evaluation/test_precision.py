"""What a wish for a precision means, and what bfloat16 costs a trained network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from guided_attention.data import make_phantom
from guided_attention.data.volume import ORGANS
from guided_attention.errors import SettingsError
from guided_attention.evaluation import precision
from guided_attention.evaluation.overlap import dice
from guided_attention.evaluation.precision import choose_precision
from guided_attention.evaluation.predict import predict_volume
from guided_attention.models.stored.pretrained import PRETRAINED, load_pretrained


@pytest.mark.parametrize(
    ("wanted", "native", "found"),
    [
        ("auto", True, "bf16-mixed"),
        ("auto", False, "32-true"),
        ("bf16", False, "bf16-mixed"),
        ("float32", True, "32-true"),
        ("32-true", True, "32-true"),
        ("bf16-mixed", False, "bf16-mixed"),
    ],
)
def test_a_wish_becomes_a_precision(monkeypatch, wanted, native, found):
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: native)
    assert choose_precision(wanted) == found


@pytest.mark.parametrize(("capability", "found"), [((7, 5), "32-true"), ((8, 0), "bf16-mixed"), ((9, 0), "bf16-mixed")])
def test_on_a_gpu_its_generation_decides(monkeypatch, capability, found):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert choose_precision("auto", "cuda") == found


def test_an_unknown_wish_is_named():
    with pytest.raises(SettingsError, match="precision='fp8' is unknown"):
        choose_precision("fp8")


def test_bfloat16_costs_a_trained_network_less_than_a_thousandth_of_dice():
    model, spec = load_pretrained(PRETRAINED[0])
    volume = make_phantom(3).in_phase
    found = {}
    for numbers in precision.PRECISIONS:
        labels = predict_volume(model, volume, spec.inputs, precision=numbers).labels
        found[numbers] = np.mean([dice(labels == i, volume.labels == i) for i in range(1, len(ORGANS) + 1)])
    assert found["32-true"] > 0.8
    assert abs(found["bf16-mixed"] - found["32-true"]) < 0.001
