"""The process of one contender: it prepares once, then repeats whenever it is told to, and says how long it took.

A line of standard input is a request, ``{"size": 4096}``; the answer is a line of JSON. Whatever libraries print goes
to standard error. A contender has a process of its own, because the peak memory of a process cannot be divided.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.case import Job, Work
from benchmarks.cases import CASES
from guided_attention.errors import GuidedAttentionError
from guided_attention.provenance import peak_memory


class BytesMoved(TorchDispatchMode):
    """Count what every operation reads and writes, each for itself; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if not function.is_view:
            leaves = tree_leaves((args, kwargs, out))
            self.total += sum(x.numel() * x.element_size() for x in leaves if isinstance(x, torch.Tensor))
        return out


def allocated(once: Callable[[], Any], device: str) -> int:
    """Bytes that a repetition allocates at most at the same time, beyond what is there already."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        once()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        once()
    events = [(e.start_ns(), e.nbytes()) for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for _, change in sorted(events, key=lambda event: event[0]):
        now += change
        most = max(most, now)
    return most


class Contender:
    """A job, and what is prepared of it by size."""

    def __init__(self, job: Job) -> None:
        self.job, self.prepared = job, {}

    def answer(self, size: int | None) -> dict[str, Any]:
        """Repeat once; before the first time, prepare, warm up and count."""
        first = size not in self.prepared
        if first:
            self.prepared[size] = CASES[self.job.case].prepare(self.job, size)
        work = self.prepared[size]
        reply = self._describe(work) if first else {}
        measured = work.once() if work.recorded else {"seconds": self._timed(work)}
        memory = {} if work.alone or work.recorded else {"memory": peak_memory(self.job.device)}
        facts = {"facts": dict(work.facts())} if first else {}
        return {**reply, **measured, **memory, **facts}

    def _describe(self, work: Work) -> dict[str, Any]:
        found = {"operations": work.operations, "precision": work.precision}
        if work.recorded:
            return found
        (work.warm or work.once)()
        if work.count:
            with BytesMoved() as counter:
                work.once()
            found["moved"] = counter.total
        if work.alone and work.count:
            found["memory"] = allocated(work.once, self.job.device)
        return found

    def _timed(self, work: Work) -> float:
        self._wait()
        start = time.perf_counter()
        work.once()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.job.device == "cuda":
            torch.cuda.synchronize()


def main() -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = Job(**json.loads(sys.argv[1]))
    torch.set_num_threads(job.threads)
    contender = Contender(job)
    try:
        for line in sys.stdin:
            print(json.dumps(contender.answer(json.loads(line)["size"])), file=answers, flush=True)
    except GuidedAttentionError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
