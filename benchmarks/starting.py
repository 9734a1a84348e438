"""How long the command line takes to start, and what the last build of the book took."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from benchmarks.case import Case, Job, Work
from benchmarks.rounds import ROOT, BenchmarkError
from guided_attention.files import read_json

#: Each in a new Python.
PROGRAMS = {
    "import torch": "import torch",
    "guided-attention --version": "from guided_attention.cli import main; main(['--version'])",
    "guided-attention --help": "from guided_attention.cli import main; main(['--help'])",
    "import guided_attention.models": "import guided_attention.models",
    "import guided_attention.metrics": "import guided_attention.metrics",
    "nothing": "",
}


def prepare_start(job: Job, size: int | None) -> Work:
    command = [sys.executable, "-c", PROGRAMS[job.contender]]
    return Work(lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT), alone=True)


def prepare_book(job: Job, size: int | None) -> Work:
    """Each chapter's seconds, as the build wrote them beside the executed chapter."""
    costs = {path.stem: read_json(path) for path in sorted((ROOT / "_build" / "chapters").glob("*.json"))}
    seconds = {stem: cost["seconds"] for stem, cost in costs.items() if isinstance(cost, dict) and "seconds" in cost}
    if not seconds:
        raise BenchmarkError("_build/chapters: expected the times of a build, found none. Run: make book")

    def once() -> Mapping[str, float]:
        return {"seconds": sum(seconds.values())}

    return Work(once, lambda: seconds, recorded=True)


START = Case("start", "Start of the command line", prepare_start, lambda device: tuple(PROGRAMS))
BOOK = Case("book", "All chapters, as the last build recorded them", prepare_book, lambda device: ("all chapters",))
