"""What a network costs: parameters, arithmetic, time and memory (chapter *State of the art*)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from guided_attention.data.volume import CLASSES
from guided_attention.experiments.run_record import Record
from guided_attention.models import build_model
from guided_attention.models.attention import PositionAttention
from guided_attention.report.names import NAMES
from guided_attention.report.results import Results
from guided_attention.report.table import Table, dashed

__all__ = ["NetworkCost", "best_epoch", "cost_table", "network_cost"]


@dataclass(frozen=True)
class NetworkCost:
    """Trainable and other parameters, and floating point operations of one slice going forward."""

    parameters: int
    flops: int


def network_cost(model: str, options: Mapping[str, Any], size: int, classes: int = len(CLASSES)) -> NetworkCost:
    """Count a network's parameters and the arithmetic of one forward pass, without computing anything.

    A product and its sum count as two operations; what is neither convolution nor matrix product counts nothing.
    Position attention counts as eq. 2 and 3 are written, whatever kernel runs them. One training step costs about
    three times as much: PyTorch's own counter of the backward pass is wrong for grouped convolutions.

    Parameters
    ----------
    model : str
        One of `MODELS`.
    options : mapping
        Further arguments of `build_model`, as in ``record.model.options``.
    size : int
        Height and width of the slice.
    classes : int
        Background included.
    """
    return _count(model, json.dumps(dict(options), sort_keys=True), size, classes)


@cache
def _count(model: str, options: str, size: int, classes: int) -> NetworkCost:
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    # Fake tensors have shapes and no numbers. (The meta device knows no autocast, which channel attention uses.)
    with FakeTensorMode(), torch.no_grad():
        network = build_model(model, **{"num_classes": classes, **json.loads(options)}).eval()
        for module in network.modules():
            if isinstance(module, PositionAttention):
                module.implementation = "plain"  # fused kernels pad, and the counter does not know all of them
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 1, size, size))
    return NetworkCost(sum(p.numel() for p in network.parameters()), counter.get_total_flops())


def cost_table(results: Results) -> Table:
    """Lay out what every network costs; times and memory are means over its records, memory their largest.

    Parameters
    ----------
    results : Results
        Parameters and arithmetic are those of the networks as recorded, small ones in a quick run.
    """
    import pandas as pd

    rows = []
    for model in results.models:
        records = results.of(model)
        size = records[0].settings["inputs"]["size"]
        cost = network_cost(model, records[0].model.options, size, 1 + len(results.dataset.organs))
        measured = [
            (r.cost.training_seconds, r.cost.evaluation_seconds, len(r.scores), r.cost.peak_memory_bytes)
            for r in records
        ]
        runs = pd.DataFrame(measured, columns=["training", "evaluation", "volumes", "memory"], dtype=float)
        rows.append(
            (
                NAMES[model],
                f"{cost.parameters / 1e6:.2f}",
                f"{cost.flops / 1e9:.2f}",
                _range([len(r.curve) for r in records]),
                _range([best_epoch(r) for r in records]),
                dashed(runs["training"].mean(), ".0f"),
                dashed((runs["evaluation"] / runs["volumes"]).mean(), ".2f"),
                dashed(runs["memory"].max() / 2**30, ".2f"),
                "; ".join(sorted({f"{r.provenance.device}, {r.provenance.threads} threads" for r in records})),
            )
        )
    size = results.of(results.models[0])[0].settings["inputs"]["size"]
    return Table(
        title=f"Cost: {results.label}",
        columns=(
            "network",
            "parameters (M)",
            f"GFLOP, one {size} x {size} slice",
            "epochs",
            "best epoch",
            "training (s)",
            "evaluation (s per volume)",
            "peak memory (GiB)",
            "device",
        ),
        rows=tuple(rows),
        notes=(
            "GFLOP: forward, a product and its sum are two operations; a training step is about three times that. "
            "Evaluation includes reading, resizing and surface distances. Memory: of the GPU, or of the whole process "
            "on a processor. Other programs on the machine slow it down: trust large ratios, not seconds.",
            *results.warnings,
        ),
    )


def best_epoch(record: Record) -> int | None:
    """Return the epoch whose weights were kept: the first with the best validation DSC; None without a curve."""
    known = [e for e in record.curve if not math.isnan(e.get("dice", math.nan)) and not e.get("lost")]
    return max(known, key=lambda e: e["dice"])["epoch"] if known else None


def _range(values: list[int | None]) -> str:
    known = sorted({value for value in values if value is not None})
    return "–" if not known else str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"
