"""What each chapter took, as the table of the page *How long the chapters take*."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from guided_attention.provenance import provenance
from pipeline.execute import Cost

__all__ = ["COSTS_MARK", "cost_table", "describe_machine"]

#: Line of ``book/status.md`` (a MyST comment) that the table replaces.
COSTS_MARK = "% times of this build"


def cost_table(costs: list[Cost]) -> str:
    """Markdown table of time and peak memory by chapter, and their sum.

    Parameters
    ----------
    costs : list of Cost
        In reading order.
    """
    rows = ["| chapter | time | memory | GPU memory |", "| --- | ---: | ---: | ---: |"]
    for cost in costs:
        memory, gpu = _gigabytes(cost.memory), _gigabytes(cost.gpu_memory)
        rows.append(f"| [](../chapters/{cost.chapter}.ipynb) | {_time(cost.seconds)} | {memory} | {gpu} |")
    rows.append(f"| all, one after the other | {_time(sum(cost.seconds for cost in costs))} | | |")
    return "\n".join(rows)


def describe_machine(costs: list[Cost]) -> str:
    """Say where and when the chapters ran, for the line under the table."""
    presets, threads = sorted({cost.preset for cost in costs}), sorted({cost.threads for cost in costs})
    here = provenance()
    today = datetime.date.today().isoformat()
    commit = f" at commit `{here.commit[:10]}`" if here.commit else ""
    changed = " with uncommitted changes" if here.dirty else ""
    return (
        f"Preset {_list(presets)}, threads {_list(threads)}; {here.device}, Python {here.python}, "
        f"PyTorch {here.torch}, NumPy {here.numpy}. Built on {today}{commit}{changed}."
    )


def _list(items: Sequence[object]) -> str:
    return ", ".join(f"`{item}`" for item in items)


def _time(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def _gigabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e9:.1f} GB"
