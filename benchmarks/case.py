"""What a benchmark is made of: a case, its contenders, and one repetition of the work."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Job:
    """What a process is asked to do: one contender of one case.

    Parameters
    ----------
    case, contender : str
    quick : bool
        Small sizes: seconds, to see that everything works.
    device : str
        ``"cpu"`` or ``"cuda"``.
    threads : int
        Of PyTorch, for one operation.
    data : str or None
        Folder of real volumes, ``*_image.nii.gz`` and ``*_label.nii.gz``; None: the phantom.
    """

    case: str
    contender: str
    quick: bool = False
    device: str = "cpu"
    threads: int = 1
    data: str | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Work:
    """What a contender has prepared.

    Parameters
    ----------
    once : callable
        One repetition: this is timed. What it returns is ignored, unless ``recorded``.
    facts : callable, optional
        Asked once, after the first repetition: numbers for the record.
    operations : float, optional
        Floating point operations of one repetition, see `guided_attention.report.speed.Measurement`.
    warm : callable, optional
        What to do before anything is timed; default one repetition.
    precision : {"float32", "bfloat16"}
    count : bool
        Whether to count what one repetition moves.
    alone : bool
        Whether memory is what the repetition allocates (if anything counts), not the peak of the process.
    recorded : bool
        Whether ``once`` returns what is to be answered, seconds for example, and is not timed.
    """

    once: Callable[[], Any]
    facts: Callable[[], Mapping[str, float]] = dict
    operations: float | None = None
    warm: Callable[[], Any] | None = None
    precision: str = "float32"
    count: bool = False
    alone: bool = False
    recorded: bool = False


@dataclass(frozen=True)
class Case:
    """Something to measure.

    Parameters
    ----------
    name, title : str
        On the command line, and above the table.
    prepare : callable (Job, size) -> Work
        Runs in the contender's own process.
    contenders : callable (device) -> tuple of str
        The first is what the others are compared with.
    settings : callable (quick, device) -> dict
        What makes the case what it is, for the record.
    sizes : callable (quick) -> tuple
        Sizes to go through; ``(None,)`` for one that needs no name.
    peaks : bool
        Whether the machine's peaks are measured in the same rounds.
    needs : mapping contender -> (module, distribution)
        What is not among the package's own dependencies.
    """

    name: str
    title: str
    prepare: Callable[[Job, int | None], Work]
    contenders: Callable[[str], tuple[str, ...]]
    settings: Callable[[bool, str], dict[str, str | int | float | bool]] = lambda quick, device: {}
    sizes: Callable[[bool], tuple[int | None, ...]] = lambda quick: (None,)
    peaks: bool = False
    needs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
