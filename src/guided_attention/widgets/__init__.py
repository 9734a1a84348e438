"""Attention that you can touch: alive in a notebook, and alive on a page without a kernel.

Needs the extra ``widgets``: importing anything from here says so where it is missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from guided_attention.errors import require_extra

require_extra("widgets", "anywidget", "ipywidgets", "traitlets")

#: Each widget and its module.
_HOMES = {
    "ChannelExplorer": "channel",
    "LiveNetwork": "live",
    "LossPlayground": "loss_playground",
    "MetricPlayground": "metric_playground",
    "PositionExplorer": "position",
    "RefinementStepper": "stepper",
    "VolumeBrowser": "volume_browser",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a widget when somebody asks for it: each brings only what it needs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"guided_attention.widgets.{_HOMES[name]}"), name)
