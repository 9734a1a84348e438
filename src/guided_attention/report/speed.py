"""Records of speed: what ``python -m benchmarks`` measured, written and read back.

A record holds one case, such as a training step, for several contenders that took turns on one machine. Its seconds are
those of a busy or a quiet machine, and say which; ratios between contenders of one record are what to trust.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from pydantic import TypeAdapter, ValidationError

from guided_attention.errors import DataError, require_choice
from guided_attention.files import write_text
from guided_attention.paths import speed_folder
from guided_attention.provenance import Provenance

__all__ = ["Measurement", "Peaks", "SpeedRecord", "load_speed", "read_speed", "waiting", "write_speed"]

#: Of the files; a change that older readers would misread raises it.
_VERSION = 1


@dataclass(frozen=True)
class Peaks:
    """What the machine reached in the same run.

    Parameters
    ----------
    float32, bfloat16 : float
        Products of large matrices, in floating point operations per second; a product and its sum are two.
    copy : float
        Copying a large array, in bytes per second; what is read and what is written both count.
    """

    float32: float
    bfloat16: float
    copy: float


@dataclass(frozen=True)
class Measurement:
    """One contender at one size.

    Parameters
    ----------
    contender : str
    seconds : tuple of float
        One for each round, in the order of the rounds.
    size : int or None
        Positions N, where the case goes through several; else None.
    memory : int or None
        Peak in bytes: of the contender's own process, or of the GPU; where there are sizes, what the operation itself
        allocated at most at the same time. None: not counted.
    operations : float or None
        Floating point operations of the equations as they are written, whatever the contender really computes.
    moved : float or None
        Bytes that the contender's operations read and write, each operation for itself.
    precision : str
        ``"float32"`` or ``"bfloat16"``: which peak of products is the limit.
    facts : dict
        Further numbers, by name: what was computed, and how many items of it.
    """

    contender: str
    seconds: tuple[float, ...]
    size: int | None = None
    memory: int | None = None
    operations: float | None = None
    moved: float | None = None
    precision: str = "float32"
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Median of the rounds, in seconds."""
        return median(self.seconds)

    @property
    def fastest(self) -> float:
        """Fastest of the rounds, in seconds: what other programs disturbed least."""
        return min(self.seconds)

    @property
    def spread(self) -> float:
        """Slowest round divided by the fastest: 1 on a machine that nothing disturbs."""
        return max(self.seconds) / min(self.seconds)


@dataclass(frozen=True)
class SpeedRecord:
    """One case of ``python -m benchmarks``.

    Parameters
    ----------
    case, title : str
        Its name on the command line, and what it is.
    measurements : tuple of Measurement
        The first contender is what the others are compared with.
    settings : dict
        Network, batch, pixels, data: whatever makes the case what it is.
    quick : bool
        Whether sizes were made small, so that the numbers only say that everything works.
    date : str
        When it began: ISO 8601, UTC.
    provenance : Provenance
        Code, versions, device and threads.
    cores : int
        Processors that the run could use.
    load_before, load_after : tuple of three float, or None
        Load average of the machine over 1, 5 and 15 minutes; None where the system does not tell.
    peaks : Peaks or None
        None where nothing is compared with them.
    missing : dict
        Contenders that were left out, each with what to install.
    version : int
    """

    case: str
    title: str
    measurements: tuple[Measurement, ...]
    settings: dict[str, str | int | float | bool]
    quick: bool
    date: str
    provenance: Provenance
    cores: int
    load_before: tuple[float, float, float] | None
    load_after: tuple[float, float, float] | None
    peaks: Peaks | None = None
    missing: dict[str, str] = field(default_factory=dict)
    version: int = _VERSION

    @property
    def contenders(self) -> tuple[str, ...]:
        """Names in the order of the record, each once."""
        return tuple(dict.fromkeys(m.contender for m in self.measurements))

    def of(self, contender: str, size: int | None = None) -> Measurement:
        """Return one measurement, or raise a `SettingsError` that lists what there is."""
        require_choice("contender", contender, self.contenders)
        found = {m.size: m for m in self.measurements if m.contender == contender}
        require_choice("size", size, tuple(found))
        return found[size]

    def speedup(self, contender: str, size: int | None = None, over: str | None = None) -> tuple[float, float, float]:
        """How many times as fast as ``over``, or the first contender: median over the rounds of the ratio, and range.

        Within a round both were disturbed alike, so the ratio is more trustworthy than a quotient of medians.
        """
        first, other = self.of(over or self.contenders[0], size), self.of(contender, size)
        ratios = [a / b for a, b in zip(first.seconds, other.seconds, strict=True)]
        return median(ratios), min(ratios), max(ratios)

    def share_of_products(self, contender: str, size: int | None = None) -> float:
        """Time that the products would take at the machine's peak, divided by the fastest time taken; NaN if unknown.

        Above 1 where a contender gets by with less arithmetic than the equations as they are written.
        """
        found = self.of(contender, size)
        if self.peaks is None or found.operations is None:
            return math.nan
        return found.operations / getattr(self.peaks, found.precision) / found.fastest

    def share_of_copying(self, contender: str, size: int | None = None) -> float:
        """The same of the bytes moved: near 1, memory is the limit; above, caches saved the way to it."""
        found = self.of(contender, size)
        if self.peaks is None or found.moved is None:
            return math.nan
        return found.moved / self.peaks.copy / found.fastest


def waiting(record: SpeedRecord, step: str = "training step", batch: str = "augmented batch") -> float:
    """Share of a training's time that passes until the next batch is there, from a record of the case ``data``.

    Parameters
    ----------
    step, batch : str
        Contenders, whose facts say how many ``slices`` one repetition takes or gives.
    """
    eats, feeds = (found.fastest / found.facts["slices"] for found in (record.of(step), record.of(batch)))
    return feeds / (eats + feeds)


_RECORD = TypeAdapter(SpeedRecord)


def write_speed(record: SpeedRecord, path: str | Path) -> Path:
    """Write a record as JSON, completely or not at all, and return its path."""
    return write_text(Path(path), _RECORD.dump_json(record, indent=1).decode() + "\n")


def read_speed(path: str | Path) -> SpeedRecord:
    """Read a record and check it, or raise a `DataError` that names file, place and reason."""
    path = Path(path)
    try:
        record = _RECORD.validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). `python -m benchmarks` writes it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(f"{path}: {place}: {first['msg']}; expected a record of `python -m benchmarks`.") from error
    if record.version != _VERSION:
        raise DataError(f"{path}: version {record.version}; this package reads {_VERSION}. Measure again.")
    return record


def load_speed(case: str, folder: str | Path | None = None) -> tuple[SpeedRecord, ...]:
    """Read all records of a case, oldest first.

    Parameters
    ----------
    case : str
        Its name, ``"step"`` for example.
    folder : path, optional
        Default: the repository's, `guided_attention.paths.speed_folder`.

    Raises
    ------
    DataError
        If there is none, or one is damaged.
    """
    folder = speed_folder() if folder is None else Path(folder)
    found = [record for record in map(read_speed, sorted(folder.glob("*.json"))) if record.case == case]
    if not found:
        raise DataError(f"{folder}: no record of {case!r}. Make one: python -m benchmarks --only {case}")
    return tuple(sorted(found, key=lambda record: record.date))
