"""What the machine can do at best: products of large matrices, and copying; and how busy it is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.case import Job, Work

#: Rows of the matrices, and bytes of the array that is copied: large enough that starting the operation takes no time.
SIZES = {("cpu", False): (2048, 2**28), ("cuda", False): (8192, 2**31)}
SIZES |= {(device, True): (512, 2**24) for device in ("cpu", "cuda")}


def prepare_peaks(job: Job, size: int | None) -> Work:
    """Measure the peaks anew at each repetition."""
    rows, length = SIZES[job.device, job.quick]
    pairs = {
        name: torch.randn(2, rows, rows, device=job.device).to(dtype)
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }
    source = torch.ones(length // 4, device=job.device)
    target = torch.empty_like(source)

    def once() -> dict[str, dict[str, float]]:
        found = {name: 2 * rows**3 / fastest(lambda p=p: p[0] @ p[1], job.device) for name, p in pairs.items()}
        copy = 2 * length / fastest(lambda: target.copy_(source), job.device)
        return {"peaks": {**found, "copy": copy}}

    return Work(once, recorded=True)


def fastest(operation: Callable[[], Any], device: str, times: int = 3) -> float:
    """Seconds of the fastest of a few repetitions."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        operation()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> tuple[float, float, float] | None:
    """Load average over 1, 5 and 15 minutes, where the system tells."""
    return os.getloadavg() if hasattr(os, "getloadavg") else None
