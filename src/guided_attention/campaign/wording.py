"""What a campaign says: plan, progress and report as text."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guided_attention.campaign.planning import Planned
    from guided_attention.campaign.pool import Ended
    from guided_attention.campaign.probing import SideBySide
    from guided_attention.campaign.state import Campaign, CellState
    from guided_attention.campaign.timing import Timing
    from guided_attention.cells import Cell

__all__ = [
    "ended",
    "export_line",
    "exported",
    "heading",
    "measured",
    "not_exported",
    "not_measured",
    "plan",
    "report",
    "seconds_of",
    "side_by_side",
]

_GIB = 2**30


def heading(campaign: Campaign, dataset: str, device: object, precision: str) -> str:
    """First line: what is asked for, where."""
    cells = len(campaign.cells())
    return (
        f"{cells} cells on {dataset}, preset {campaign.preset}, {precision}, {device}, {campaign.minutes:.1f} minutes"
    )


def measured(model: str, timing: Timing | None) -> str:
    """One measured network."""
    if timing is None:
        return f"  {model:<16} does not fit into the memory; its cells are left out"
    return (
        f"  {model:<16} step {1e3 * timing.step:8.1f} ms, slice {1e3 * timing.slice:7.1f} ms, "
        f"{timing.memory / _GIB:5.2f} GiB, {timing.parameters / 1e6:6.2f} M parameters"
    )


def not_measured(model: str) -> str:
    """Too little time."""
    return f"  {model:<16} not measured, the time is too short; its cells wait for the next stretch"


def side_by_side(found: SideBySide) -> str:
    """How many trainings at a time, and the throughput that says so."""
    rates = ", ".join(f"{number}: {rate:.2f}" for number, rate in (found.rates or {}).items())
    seen = f" (steps per second together, by number: {rates})" if rates else ""
    return f"side by side: {found.number}{seen}"


def plan(planned: Sequence[Planned], states: Sequence[CellState], slots: int, left: float, epochs: int) -> str:
    """The plan before anything starts."""
    done = sum(state.finished for state in states)
    lines = [
        f"plan: {done} of {len(states)} cells are finished; {left / 60:.1f} minutes to train, {slots} at a time, "
        f"{epochs} epochs each"
    ]
    for entry in planned:
        state = "" if entry.whole else "  (will be cut off, goes on next time)"
        begun = ", goes on" if entry.task.begun else ""
        lines.append(
            f"  {name_of(entry.task.cell):<32} {entry.begins / 60:6.1f} to {entry.ends / 60:6.1f} min{begun}{state}"
        )
    later = len(states) - done - len(planned)
    if later:
        lines.append(f"  {later} more do not fit into this stretch")
    return "\n".join(lines)


def ended(end: Ended, now: float, log: Path) -> str:
    """One training that ended."""
    minutes = (end.ends - end.begins) / 60
    if end.status == 0:
        what = f"finished after {minutes:.1f} min (planned {end.task.seconds / 60:.1f})"
    elif end.status is None:
        what = "cut off by the end of the time; its last checkpoint is kept"
    else:
        what = f"FAILED with status {end.status}: {last_line(log)} (see {log})"
    return f"[{now / 60:5.1f} min] {name_of(end.task.cell)}: {what}"


def report(states: Sequence[CellState], epochs: int, seconds: float, rest: Sequence[Planned]) -> str:
    """The end: what is finished, what remains, and how long it would take."""
    done = [state for state in states if state.finished]
    lines = [f"after {seconds / 60:.1f} minutes: {len(done)} of {len(states)} cells are finished"]
    for state in states:
        if not state.finished:
            begun = f"{state.epochs} of {epochs} epochs" if state.epochs else "not begun"
            lines.append(f"  remains: {name_of(state.job.cell):<32} {begun}")
    if rest:
        unknown = len(states) - len(done) - len(rest)
        but = f", without {unknown} cells that were not measured" if unknown else ""
        minutes = max(entry.ends for entry in rest) / 60
        lines.append(f"the rest needs about {minutes:.1f} minutes more on this machine{but}")
    return "\n".join(lines)


def exported(out: str, dataset: str, model: str, run: Path) -> bool:
    """Whether this very run's weights are in ``out`` already."""
    path, source = Path(out) / dataset / f"{model}.json", run / "record.json"
    if not path.is_file():
        return False
    return json.loads(path.read_text())["notes"].get("created") == json.loads(source.read_text())["created"]


def export_line(status: int, out: str, dataset: str, model: str, run: Path) -> str:
    """One exported network, with what rounding changed."""
    path = Path(out) / dataset / f"{model}.json"
    if status:
        return f"  {model}: weights not exported: {last_line(run / 'export.log')} (see {run / 'export.log'})"
    notes = json.loads(path.read_text())["notes"]
    return (
        f"  {path.with_suffix('.safetensors')}: fp16, test Dice {notes['test_dice_float16']:.4f} "
        f"(float32 {notes['test_dice_float32']:.4f}, largest difference {notes['largest_dice_difference']:.1e})"
    )


def not_exported(model: str) -> str:
    """No time was left."""
    return f"  {model}: weights not exported, the time is over; the next stretch does it"


def name_of(cell: Cell) -> str:
    """Name of a cell in text."""
    return f"{cell.model} fold {cell.fold} seed {cell.seed}"


def last_line(log: Path) -> str:
    """Last line that a process wrote."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    return lines[-1] if lines else "it said nothing"


def seconds_of(folder: Path) -> list[float]:
    """Seconds of the epochs of a run; the first of several is left out, it also warms up."""
    path = folder / "history.csv"
    if not path.is_file():
        return []
    seconds = [float(row["seconds"]) for row in csv.DictReader(path.read_text().splitlines())]
    return seconds[1:] or seconds
