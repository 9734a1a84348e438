"""Processes and devices of a training (chapter *Training the network*)."""

from __future__ import annotations

import os
from typing import Any

import torch

from guided_attention.errors import SettingsError, require_choice
from guided_attention.provenance import device_name

__all__ = ["describe_device", "is_first_process", "launch", "require_device", "require_devices"]

_ACCELERATORS = ("auto", "cpu", "cuda")


def launch(accelerator: str, devices: int, precision: str) -> Any:
    """Start Lightning Fabric; with several devices every further one gets a process that runs the same command.

    Parameters
    ----------
    accelerator : {"auto", "cpu", "cuda"}
        ``"auto"`` takes a GPU where there is one.
    devices : int
        How many of them.
    precision : str
        One of `guided_attention.evaluation.predict.PRECISIONS`.

    Returns
    -------
    lightning.fabric.Fabric

    Raises
    ------
    SettingsError
        As `require_devices`.
    """
    require_devices(accelerator, devices)
    from lightning.fabric import Fabric

    strategy = "ddp" if devices > 1 else "auto"
    fabric = Fabric(accelerator=accelerator, devices=devices, strategy=strategy, precision=precision)
    fabric.launch()
    return fabric


def require_devices(accelerator: str, devices: int) -> None:
    """Raise a `SettingsError` unless this machine has such devices, and as many; arguments as for `launch`."""
    require_choice("accelerator", accelerator, _ACCELERATORS)
    if devices < 1:
        raise SettingsError(f"devices={devices} must be 1 or more.")
    gpus = torch.cuda.device_count()
    if devices > gpus and (accelerator == "cuda" or (accelerator == "auto" and gpus)):
        raise SettingsError(
            f"accelerator={accelerator!r}, devices={devices}: this machine has {gpus} GPUs that PyTorch can use. "
            "Choose fewer devices, or accelerator='cpu'."
        )


def require_device(device: str) -> None:
    """Raise a `SettingsError` unless PyTorch can compute on ``device``, for example ``"cpu"`` or ``"cuda:1"``."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # a build of PyTorch without CUDA asserts
        reason = str(error).splitlines()[0]
        raise SettingsError(
            f"device={device!r} cannot be used here: {reason} Choose cpu, or cuda with a GPU."
        ) from None


def describe_device() -> str:
    """Return in one line what ``accelerator="auto"`` trains on here: the chapters begin with it."""
    if torch.cuda.is_available():
        count, gib = torch.cuda.device_count(), torch.cuda.get_device_properties(0).total_memory / 2**30
        others = f", one of {count}" if count > 1 else ""
        return f"GPU: {device_name('cuda')}, {gib:.0f} GB, CUDA {torch.version.cuda}{others}"
    if torch.backends.mps.is_available():
        return f"GPU: Apple's, beside {device_name('cpu')}"
    threads = torch.get_num_threads()
    return f"no GPU that PyTorch can use; processor: {device_name('cpu')}, {threads} thread{'s' * (threads > 1)}"


def is_first_process() -> bool:
    """Whether this process is alone, or the first of those that train together.

    torchrun and Fabric number them in RANK and LOCAL_RANK, and so does SLURM in SLURM_PROCID when ``srun`` starts
    them: then every process has a number of its own although nobody called torchrun. A shell that SLURM opened
    (``srun --pty bash``) starts a single process.
    """
    for name in ("RANK", "LOCAL_RANK"):
        if name in os.environ:
            return os.environ[name] == "0"
    if "SLURM_NTASKS" not in os.environ:
        return True
    from lightning.fabric.plugins.environments import SLURMEnvironment

    return not SLURMEnvironment.detect() or os.environ.get("SLURM_PROCID", "0") == "0"
