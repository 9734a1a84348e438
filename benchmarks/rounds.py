"""Contenders take turns: every round each of them repeats once, in an order that rotates from round to round."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.case import Case, Job
from guided_attention.errors import GuidedAttentionError
from guided_attention.report.speed import Measurement, Peaks

ROOT = Path(__file__).parents[1]
#: Measures the machine itself, in the same rounds.
MACHINE = "machine"


class BenchmarkError(GuidedAttentionError):
    """A contender's process ended before its time."""


def turns(contenders: Sequence[str], rounds: int) -> Iterator[tuple[str, ...]]:
    """Yield each round's order: it rotates, so that none always follows the same other."""
    for turn in range(rounds):
        place = turn % len(contenders)
        yield (*contenders[place:], *contenders[:place])


def missing(case: Case, device: str) -> dict[str, str]:
    """Return the contenders whose package is not installed, each with what to install."""
    needed = {name: case.needs[name] for name in case.contenders(device) if name in case.needs}
    return {name: f"pip install {package}" for name, (module, package) in needed.items() if find_spec(module) is None}


class Process:
    """A contender in a process of its own (`benchmarks.worker`)."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", job.to_json()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            encoding="utf-8",
        )

    def ask(self, size: int | None) -> dict[str, Any]:
        """Let it repeat once, and return its answer."""
        try:
            self.process.stdin.write(json.dumps({"size": size}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; why, its last words say
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().strip()[-2000:] or "it said nothing, so perhaps the memory was not enough"
            raise BenchmarkError(
                f"{self.job.case}, {self.job.contender}: its process ended with {self.process.returncode}:\n{said}"
            )
        return json.loads(answer)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.stdin.close()
        if kind is not None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def measure(
    case: Case, base: Job, rounds: int, tell: Callable[[str], None] = lambda line: None
) -> tuple[tuple[Measurement, ...], Peaks | None]:
    """Run all contenders of a case that are there, all sizes one after the other.

    Parameters
    ----------
    case : Case
    base : Job
        Its ``contender`` does not matter.
    rounds : int
        Each has one repetition of every contender, after one that does not count.
    tell : callable
        Is told what has been done.
    """
    absent = missing(case, base.device)
    contenders = [name for name in case.contenders(base.device) if name not in absent]
    names = [*contenders, MACHINE] if case.peaks else contenders
    found: list[Measurement] = []
    peaks: list[Mapping[str, float]] = []
    with ExitStack() as stack:
        jobs = {name: Job(**{**vars(base), "case": case.name, "contender": name}) for name in contenders}
        jobs |= {MACHINE: Job(**{**vars(base), "case": "peaks", "contender": MACHINE})} if case.peaks else {}
        processes = {name: stack.enter_context(Process(jobs[name])) for name in names}
        for size in case.sizes(base.quick):
            answers: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
            for number, order in enumerate(turns(names, rounds), 1):
                for name in order:
                    answers[name].append(processes[name].ask(None if name == MACHINE else size))
                tell(f"{case.name}{'' if size is None else f' {size}'}: round {number} of {rounds}")
            peaks += [answer["peaks"] for answer in answers.pop(MACHINE, [])]
            found += [measurement(name, size, answers[name]) for name in contenders]
    if not peaks:
        return tuple(found), None
    return tuple(found), Peaks(**{name: max(peak[name] for peak in peaks) for name in peaks[0]})


def measurement(name: str, size: int | None, answers: Sequence[Mapping[str, Any]]) -> Measurement:
    """Put the answers of one contender at one size together."""
    told = {key: value for answer in answers for key, value in answer.items()}  # memory: the last, so the highest
    chosen = {key: told[key] for key in ("operations", "moved", "memory", "precision", "facts") if key in told}
    return Measurement(name, tuple(answer["seconds"] for answer in answers), size, **chosen)
