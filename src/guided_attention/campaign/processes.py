"""The processes of a campaign: how they start, and the export of the best networks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from guided_attention.campaign import wording
from guided_attention.campaign.carry import carried_commit, carried_packages
from guided_attention.campaign.export import best_run
from guided_attention.campaign.state import Campaign, CellState

__all__ = ["environment", "export_best", "start_process"]


def environment(campaign: Campaign) -> dict[str, str]:
    """Return that of the processes: this package on the path, carried ones behind it, threads, the commit of a copy."""
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH", "")) if p)
    commit = carried_commit(campaign.data)
    return {
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": str(campaign.threads),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # what cuBLAS needs to repeat itself
        "GUIDED_ATTENTION_CARRIED": os.pathsep.join(carried_packages(campaign.data)),
        **({"GUIDED_ATTENTION_COMMIT": commit} if commit else {}),
    }


def start_process(asked: dict, log: Path, campaign: Campaign) -> subprocess.Popen:
    """Start `guided_attention.campaign.work`; what it says goes to ``log``. It ends when this process ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "guided_attention.campaign.work", json.dumps(asked)]
    with log.open("a", encoding="utf-8") as file:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT, env=environment(campaign)
        )


def export_best(
    campaign: Campaign,
    states: Sequence[CellState],
    dataset: str,
    device: str,
    end: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Export the best finished run of every network, one after the other, until the clock says ``end``."""
    for model in campaign.models:
        best = best_run([s.folder for s in states if s.finished and s.job.cell.model == model])
        if best is None or wording.exported(campaign.weights_out, dataset, model, best):
            continue
        if clock() >= end:
            say(wording.not_exported(model))
            continue
        asked = {
            "do": "export",
            "folder": str(best),
            "data": campaign.data,
            "sequence": campaign.sequence,
            "phase": campaign.phase,
            "out": campaign.weights_out,
            "device": device,
            "threads": campaign.threads,
        }
        process = start_process(asked, best / "export.log", campaign)
        try:
            status = process.wait(max(1.0, end - clock()))
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        process.stdin.close()
        say(wording.export_line(status, campaign.weights_out, dataset, model, best))
