"""A process that measures: seconds and bytes of a network's steps, alone and beside others like it.

It is told what to do in lines of JSON on its standard input and answers each with one on its standard output:
``{"do": "measure", "model": NAME}``, ``{"do": "load", "model": NAME}``, ``{"do": "run", "seconds": S, "threads": N}``.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from guided_attention.campaign.settings import set_numbers, variant
from guided_attention.losses import objective
from guided_attention.models import build_model
from guided_attention.prediction import evaluating
from guided_attention.presets import Preset
from guided_attention.provenance import peak_memory

__all__ = ["Bench", "main"]

_MIB = 2**20
#: What a process takes of a GPU before its first tensor.
_CONTEXT = 700 * _MIB


class Bench:
    """One network and one batch of random slices of the preset's size.

    Parameters
    ----------
    name : str
        Of the network.
    preset : Preset
        Its options, batch size, input size and precision.
    device : str
    """

    def __init__(self, name: str, preset: Preset, device: str) -> None:
        self.fit, self.device = preset.fit, torch.device(device)
        torch.manual_seed(0)
        self.model: nn.Module = build_model(name, **preset.model_options(name)).to(self.device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-4)
        size = preset.fit.inputs.size
        self.image = torch.rand(preset.fit.batch_size, 1, size, size, device=self.device)
        self.labels = torch.randint(5, (preset.fit.batch_size, size, size), device=self.device)

    def step(self) -> None:
        """One step of training, to its end."""
        self.model.train()
        with self._numbers():
            output = self.model(self.image)
        loss = objective(output, self.labels, self.fit.loss)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total.backward()
        self.optimizer.step()
        self._wait()

    def predict(self) -> None:
        """Predict one batch."""
        with evaluating(self.model), torch.inference_mode(), self._numbers():
            self.model(self.image)
        self._wait()

    def measure(self) -> dict[str, Any]:
        """Return seconds of a step and of a predicted slice, bytes, and the number of parameters."""
        step, slices = _median(self.step), _median(self.predict) / self.fit.batch_size
        return {
            "step": step,
            "slice": slices,
            "memory": self.memory(),
            "parameters": sum(p.numel() for p in self.model.parameters()),
        }

    def memory(self) -> int:
        """Bytes that this process needs at most, checked so far."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_reserved(self.device) + _CONTEXT
        return peak_memory("cpu") or 0

    def run(self, seconds: float) -> float:
        """Train for some seconds; return steps per second."""
        begin, steps = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            self.step()
            steps += 1
        return steps / (time.perf_counter() - begin)

    def _numbers(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.fit.precision == "bf16-mixed")

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _median(action: Any) -> float:
    """Median seconds of up to 10 calls within two seconds or so, after one that warms up."""
    action()
    times: list[float] = []
    while not times or (len(times) < 10 and sum(times) < 2):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def available(device: str) -> int:
    """Bytes that are free: of the GPU, or of this machine (0 where nobody says)."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info()[0]
    meminfo = Path("/proc/meminfo")
    lines = meminfo.read_text().splitlines() if meminfo.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def _forget_peak(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # not Linux: the peak so far is more than this network's own, which is safe


def main() -> None:
    """Serve measurements until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    told = json.loads(sys.argv[1])
    preset, device = variant(told["preset"], None, told["precision"]), told["device"]
    torch.set_num_threads(told["threads"])
    set_numbers(told["tf32"], told["deterministic"])
    name = torch.cuda.get_device_name() if device == "cuda" else ""
    answer({"ready": True, "free": available(device), "device": name})
    bench = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if asked["do"] == "run":
                torch.set_num_threads(asked["threads"])
                answer({"rate": bench.run(asked["seconds"])})
                continue
            bench = None
            _forget_peak(device)
            bench = Bench(asked["model"], preset, device)
            if asked["do"] == "measure":
                answer(bench.measure())
            else:
                bench.step()
                answer({"loaded": True})
        except torch.cuda.OutOfMemoryError:
            bench = None
            answer({"error": "out of memory"})


if __name__ == "__main__":
    main()
