"""All that `python -m benchmarks` can measure, by name."""

from __future__ import annotations

from benchmarks.case import Case
from benchmarks.feeding import DATA
from benchmarks.machine import prepare_peaks
from benchmarks.metrics import METRICS
from benchmarks.modules import CHANNEL, POSITION
from benchmarks.networks import INFERENCE, STEP, VOLUME
from benchmarks.rounds import MACHINE
from benchmarks.starting import BOOK, START

#: In the order in which they are run.
MEASURED = tuple(case.name for case in (STEP, INFERENCE, VOLUME, POSITION, CHANNEL, DATA, METRICS, START, BOOK))
_PEAKS = Case("peaks", "What the machine can do", prepare_peaks, lambda device: (MACHINE,))
CASES = {case.name: case for case in (STEP, INFERENCE, VOLUME, POSITION, CHANNEL, DATA, METRICS, START, BOOK, _PEAKS)}
