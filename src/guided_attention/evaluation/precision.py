"""Which numbers a network computes with, and which of them this machine multiplies fastest."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from guided_attention.errors import require_choice
from guided_attention.models.exact import multiplies_bfloat16

__all__ = ["PRECISIONS", "Precision", "Wanted", "autocast", "choose_precision"]

Precision = Literal["32-true", "bf16-mixed"]
#: What may be asked for; `choose_precision` makes one of `PRECISIONS` of it.
Wanted = Literal["auto", "float32", "bf16", "32-true", "bf16-mixed"]
#: Numbers to compute with, in Lightning's words: float32, or bfloat16 where autocast thinks it safe.
PRECISIONS = ("32-true", "bf16-mixed")


def choose_precision(wanted: str, device: str | torch.device = "cpu") -> Precision:
    """Return what a wish means on a device; this is what records and checkpoints say.

    Parameters
    ----------
    wanted : {"auto", "float32", "bf16", "32-true", "bf16-mixed"}
        ``"auto"`` is bfloat16 where the device multiplies it natively, else float32: processors without such
        instructions emulate them, slowly, and so do older GPUs.
    device : str or torch.device

    Raises
    ------
    SettingsError
        If the wish is unknown.
    """
    require_choice("precision", wanted, ("auto", "float32", "bf16", *PRECISIONS))
    if wanted == "auto":
        wanted = "bf16" if _multiplies_bfloat16(torch.device(device)) else "float32"
    return {"float32": "32-true", "bf16": "bf16-mixed"}.get(wanted, wanted)


def autocast(device: str | torch.device, precision: str) -> AbstractContextManager[None]:
    """Return the context in which a network computes with one of `PRECISIONS`."""
    require_choice("precision", precision, PRECISIONS)
    if precision == "32-true":
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16)


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and multiplies_bfloat16()
