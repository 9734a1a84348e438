"""What networks, organs and metrics are called in tables and figures."""

from __future__ import annotations

from dataclasses import dataclass

from guided_attention.data.volume import ORGANS
from guided_attention.errors import require_choice
from guided_attention.evaluation.scores import METRICS, NSD_TOLERANCE
from guided_attention.report.table import dashed

__all__ = ["COLUMNS", "NAMES", "PAPER_METRICS", "TABLE_ONE", "TABLE_TWO", "Unit", "organ_name", "place_name", "unit_of"]

#: The paper's name of each network.
NAMES: dict[str, str] = {
    "daf": "DAF",
    "pam": "PAM",
    "cam": "CAM",
    "dual": "DualNet",
    "ms-dual": "MS-Dual",
    "ms-dual-guided": "MS-Dual-Guided",
    "unet": "U-Net",
    "attention-unet": "Attention U-Net",
    "danet": "DANet",
    "pan-resnet34": "PAN-ResNet34",
    "pan-resnet101": "PAN-ResNet101",
}
#: Rows of the paper's Table I, the ablation, and of its Table II, the comparison; in the paper's order.
TABLE_ONE = ("daf", "pam", "cam", "dual", "ms-dual", "ms-dual-guided")
TABLE_TWO = ("unet", "danet", "pan-resnet34", "pan-resnet101", "daf", "attention-unet", "ms-dual-guided")
#: Columns of both: the organs and their mean.
COLUMNS = (*ORGANS, "mean")
#: The metrics of both, and of Fig. 4.
PAPER_METRICS = ("dsc", "vs", "msd_voxels")


@dataclass(frozen=True)
class Unit:
    """How a metric is written: its name with the unit, what to multiply it by, how many decimals."""

    name: str
    factor: float
    decimals: int
    higher_is_better: bool

    def text(self, value: float, sign: str = "") -> str:
        """Write a value of the metric: a dash for NaN; with ``sign="+"`` a plus where it is one."""
        return dashed(value * self.factor, f"{sign}.{self.decimals}f")


_UNITS = {
    "dsc": Unit("DSC (%)", 100, 2, True),
    "vs": Unit("VS (%)", 100, 2, True),
    "msd_voxels": Unit("MSD (voxels)", 1, 2, False),
    "msd_mm": Unit("MSD (mm)", 1, 2, False),
    "ravd_percent": Unit("RAVD (%)", 1, 2, False),
    "assd_mm": Unit("ASSD (mm)", 1, 2, False),
    "maximum_mm": Unit("maximum surface distance (mm)", 1, 1, False),
    "chaos": Unit("CHAOS score", 1, 1, True),
    "hd95_mm": Unit("HD95 (mm)", 1, 2, False),
    "nsd": Unit(f"NSD at {NSD_TOLERANCE:g} mm (%)", 100, 2, True),
}


def unit_of(metric: str) -> Unit:
    """Return how a metric is written, or raise a `SettingsError` that lists the metrics."""
    require_choice("metric", metric, METRICS)
    return _UNITS[metric]


def place_name(organ: str) -> str:
    """Return where a metric was taken, for titles: an organ's name, or ``mean of the organs``."""
    return "mean of the organs" if organ == "mean" else organ_name(organ)


def organ_name(organ: str) -> str:
    """Return an organ's name for people: ``kidney_right`` is the right kidney."""
    kind, _, side = organ.partition("_")
    return f"{side} {kind}".strip()
