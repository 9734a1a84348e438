"""Say where the seconds of a training step or a prediction go, before and after: ``python -m benchmarks.where``."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.case import Job
from benchmarks.machine import load
from benchmarks.networks import FAST, LITERAL, PACKAGE, prepare_inference, prepare_step
from guided_attention.files import write_text
from guided_attention.provenance import provenance

PREPARE = {"step": prepare_step, "inference": prepare_inference}
#: What an operation of PyTorch belongs to: the first pattern found in its name.
KINDS = {
    "convolution": r"conv",
    "products of attention": r"bmm|::mm|addmm|matmul|einsum|dot_product|softmax",
    "batch norm": r"batch_norm",
    "enlarging and pooling": r"upsample|interpolate|pool",
    "optimizer": r"adam",
    "copies": r"copy|cat\b|clone|contiguous|zero|fill|empty|stack",
    "everything else, number by number": r"",
}


def kind(name: str) -> str:
    """Return the kind of an operation, by the name that the profiler gives it."""
    return next(found for found, pattern in KINDS.items() if re.search(pattern, name.lower()))


def seconds_by_kind(once: Callable[[], Any], times: int) -> dict[str, float]:
    """Return the seconds of one repetition by kind: each operation's own, without those that it calls."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(times):
            once()
    seconds = dict.fromkeys(KINDS, 0.0)
    for event in found.key_averages():
        seconds[kind(event.key)] += event.self_cpu_time_total / 1e6 / times
    return seconds


def measure(case: str, quick: bool, threads: int, times: int) -> dict[str, dict[str, float]]:
    """Return the seconds by kind of every contender, after one repetition that nobody times."""
    found = {}
    for contender in (LITERAL, PACKAGE, FAST):
        work = PREPARE[case](Job(case, contender, quick, "cpu", threads), None)
        work.once()
        found[contender] = seconds_by_kind(work.once, times)
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """Return a Markdown table: milliseconds of each kind and its share of the contender's total."""
    lines = ["| | " + " | ".join(found) + " |", "| --- |" + " ---: |" * len(found)]
    totals = {name: sum(seconds.values()) for name, seconds in found.items()}
    for row in KINDS:
        cells = [f"{1000 * s[row]:.0f} ms ({s[row] / totals[name]:.0%})" for name, s in found.items()]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    lines.append("| together | " + " | ".join(f"{1000 * total:.0f} ms" for total in totals.values()) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and write it with its origin if ``--out`` says where."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__)
    parser.add_argument("--case", choices=PREPARE, default="step")
    parser.add_argument("--times", type=int, default=3, help="repetitions of each contender")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    before = load()
    found = measure(options.case, options.quick, options.threads, options.times)
    print(f"\n{table(found)}\n")
    if options.out:
        origin = {"provenance": asdict(provenance("cpu")), "load_before": before, "load_after": load()}
        content = {"case": options.case, "quick": options.quick, "seconds": found, **origin}
        write_text(options.out, json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
