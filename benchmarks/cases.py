"""All that `python -m benchmarks` can measure, by name."""

from __future__ import annotations

from benchmarks.case import Case
from benchmarks.curve import CURVE
from benchmarks.feeding import DATA
from benchmarks.machine import prepare_peaks
from benchmarks.metrics import METRICS
from benchmarks.modules import CHANNEL, POSITION
from benchmarks.networks import INFERENCE, STEP, VOLUME
from benchmarks.rounds import MACHINE
from benchmarks.starting import BOOK, START

_ALL = (STEP, INFERENCE, VOLUME, POSITION, CHANNEL, DATA, CURVE, METRICS, START, BOOK)
#: In the order in which they are run.
MEASURED = tuple(case.name for case in _ALL)
_PEAKS = Case("peaks", "What the machine can do", prepare_peaks, lambda device: (MACHINE,))
CASES = {case.name: case for case in (*_ALL, _PEAKS)}
