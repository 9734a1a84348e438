"""Which way to compute position attention is the fastest here, and what each of them stores.

Forward and backward of eq. 2 and 3 for the three implementations of `guided_attention.models.exact.attend`, in one
process, in turns: other programs on the machine then disturb all three alike, and the ratio of each round is
trustworthy where its seconds are not. The choice of ``implementation="auto"`` comes from here.

    python -m benchmarks.attention --out attention.json
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from guided_attention.models.exact import attend, multiplies_bfloat16

WAYS = ("plain", "chunked", "fused")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Result:
    """One size in one precision."""

    dtype: str
    positions: int
    channels: int
    seconds: dict[str, float]
    speedup: dict[str, tuple[float, float, float]]
    saved_bytes: dict[str, int]
    fastest: str
    auto: str


def make_inputs(batch: int, channels: int, positions: int, dtype: torch.dtype, device: str) -> list[Tensor]:
    """Queries, keys (channels // 8 each) and values, as the 1x1 convolutions give them."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(batch, c, positions, generator=generator).to(device, dtype).requires_grad_()
        for c in (max(channels // 8, 1), max(channels // 8, 1), channels)
    ]


def step(inputs: list[Tensor], way: str) -> float:
    """Seconds of one forward and backward pass."""
    synchronize(inputs[0])
    start = time.perf_counter()
    out = attend(*inputs, way)
    torch.autograd.grad(out, inputs, torch.ones_like(out))
    synchronize(inputs[0])
    return time.perf_counter() - start


def synchronize(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)


def saved_bytes(inputs: list[Tensor], way: str) -> int:
    """Bytes that autograd keeps from the forward to the backward pass; each piece of memory counts once."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = attend(*inputs, way)  # kept alive until counted, so that no memory is counted under two names
        total = sum(kept.values())
    del out
    return total


def chosen_by_auto(inputs: list[Tensor]) -> str:
    """Return the way whose result ``auto`` gives, bit for bit."""
    with torch.no_grad():
        auto = attend(*inputs, "auto")
        return next(way for way in ("fused", "chunked", "plain") if torch.equal(auto, attend(*inputs, way)))


def measure(batch: int, channels: int, positions: int, dtype: str, device: str, rounds: int) -> Result:
    """Run all three ways in turns, after one turn that does not count."""
    inputs = make_inputs(batch, channels, positions, DTYPES[dtype], device)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(rounds + 1):
        # The order rotates, so that no way always follows the same other.
        for way in WAYS[turn % 3 :] + WAYS[: turn % 3]:
            seconds = step(inputs, way)
            if turn > 0:
                times[way].append(seconds)
    ratios = {w: [a / b for a, b in zip(times["plain"], times[w], strict=True)] for w in WAYS}
    speedup = {w: (statistics.median(r), min(r), max(r)) for w, r in ratios.items()}
    return Result(
        dtype,
        positions,
        channels,
        {w: statistics.median(t) for w, t in times.items()},
        speedup,
        {w: saved_bytes(inputs, w) for w in WAYS},
        max(WAYS, key=lambda w: speedup[w][0]),
        chosen_by_auto(inputs),
    )


def table(results: list[Result]) -> str:
    """Rows for reading: speed-up over plain as median of the rounds [lowest-highest], and MiB stored."""
    head = f"{'dtype':9} {'N':>5} {'C':>3} {'plain ms':>9}  {'chunked':>18} {'fused':>18}  " + " ".join(
        f"{w + ' MiB':>11}" for w in WAYS
    )
    lines = [head + "  fastest  auto"]
    for r in results:
        speed = " ".join(f"{'{:.2f}x [{:.2f}-{:.2f}]'.format(*r.speedup[w]):>18}" for w in WAYS[1:])
        memory = " ".join(f"{r.saved_bytes[w] / 2**20:11.1f}" for w in WAYS)
        lines.append(
            f"{r.dtype:9} {r.positions:5} {r.channels:3} {1000 * r.seconds['plain']:9.1f}  {speed}  {memory}"
            f"  {r.fastest:7}  {r.auto}"
        )
    return "\n".join(lines)


def provenance(device: str) -> dict[str, object]:
    """What the numbers were measured on."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return {
        "device": device,
        "device_name": name,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "multiplies_bfloat16": multiplies_bfloat16(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("torch", "guided-attention")},
    }


def main(arguments: list[str] | None = None) -> list[Result]:
    """Measure, print the table, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--positions", type=int, nargs="+", default=[1024, 4096], help="N, positions of the map")
    parser.add_argument(
        "--channels", type=int, nargs="+", default=[32, 64], help="C of the values; queries have C // 8"
    )
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="write the results to this JSON file")
    options = parser.parse_args(arguments)
    results = [
        measure(options.batch, c, n, dtype, options.device, options.rounds)
        for dtype, n, c in product(options.dtypes, options.positions, options.channels)
    ]
    origin = provenance(options.device) | {"batch": options.batch, "rounds": options.rounds}
    print(", ".join(f"{key}: {value}" for key, value in origin.items()))
    print(table(results))
    if options.out is not None:
        content = {"provenance": origin, "results": [asdict(result) for result in results]}
        options.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return results


if __name__ == "__main__":
    main()
