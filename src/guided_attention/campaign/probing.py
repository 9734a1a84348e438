"""The other side of `probe`: asks for measurements, and tries how many trainings pay side by side."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from guided_attention.campaign.timing import Timing
from guided_attention.errors import SettingsError

__all__ = ["Probe", "SideBySide", "best_number", "measure", "try_side_by_side"]

#: One more process must raise the throughput at least by this.
_WORTH = 1.1


@dataclass(frozen=True)
class SideBySide:
    """How many trainings at a time, and what was seen.

    Parameters
    ----------
    number : int
        Trainings at a time.
    slowdown : float
        How much longer a step takes then.
    rates : dict int -> float
        Steps per second of all together, by number.
    """

    number: int = 1
    slowdown: float = 1.0
    rates: dict[int, float] | None = None


class Probe:
    """A running `probe` process, to be used as a context.

    Parameters
    ----------
    told : dict
        ``preset``, ``precision``, ``device``, ``threads``, ``tf32``, ``deterministic``.
    environment : dict
        Of the process.
    """

    def __init__(self, told: dict[str, Any], environment: dict[str, str]) -> None:
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "guided_attention.campaign.probe", json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.hello = self.read()
        self.start = time.monotonic() - begin

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def send(self, **asked: Any) -> None:
        """Ask without waiting."""
        print(json.dumps(asked), file=self.process.stdin, flush=True)

    def read(self) -> dict[str, Any]:
        """Wait for an answer, or raise a `SettingsError` if the process has died."""
        line = self.process.stdout.readline()
        if not line:
            raise SettingsError(f"the measuring process ended with status {self.process.wait()}; see above for why.")
        return json.loads(line)

    def ask(self, **asked: Any) -> dict[str, Any]:
        """Ask and wait."""
        self.send(**asked)
        return self.read()


def measure(probe: Probe, model: str) -> Timing | None:
    """Measure one network, or return None if it does not fit into the memory."""
    found = probe.ask(do="measure", model=model)
    return None if "error" in found else Timing(**found)


def try_side_by_side(
    first: Probe,
    told: dict[str, Any],
    environment: dict[str, str],
    model: str,
    step: float,
    most: int,
    threads: int,
) -> SideBySide:
    """Let 1, 2, 4, ... copies of a network train at the same time, and see whether that raises the throughput.

    Parameters
    ----------
    first : Probe
        One that runs already; the others are started here, and ended.
    told, environment
        As for `Probe`.
    model : str
        What they train.
    step : float
        Seconds of its step, to know how long to look.
    most : int
        The largest number to try: what memory and the number of cells allow.
    threads : int
        Of the processor, to be shared.
    """
    numbers = [number for number in (1, 2, 4, 8, 16) if number <= most]
    probes, rates = [first], {}
    try:
        probes += [Probe(told, environment) for _ in range(numbers[-1] - 1)]
        for probe in probes:
            probe.send(do="load", model=model)
        if any("error" in answer for answer in [probe.read() for probe in probes]):
            return SideBySide()
        for number in numbers:
            for probe in probes[:number]:
                probe.send(do="run", seconds=max(2.0, 3 * step * number), threads=max(1, threads // number))
            rates[number] = sum(probe.read()["rate"] for probe in probes[:number])
    finally:
        for probe in probes[1:]:
            probe.__exit__()
    return best_number(rates)


def best_number(rates: dict[int, float]) -> SideBySide:
    """Choose from steps per second by number of trainings: a larger number must be worth it by a tenth."""
    best = 1
    for number in sorted(rates):
        if rates[number] > _WORTH * rates[best]:
            best = number
    return SideBySide(best, max(1.0, best * rates[1] / rates[best]), dict(rates))


def median_model(timings: dict[str, Timing], models: Sequence[str]) -> str:
    """Return the network whose step takes neither long nor short: the one to try side by side."""
    ranked = sorted((name for name in models if name in timings), key=lambda name: timings[name].step)
    return ranked[len(ranked) // 2]
