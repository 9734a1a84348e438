"""Processes and devices of a training (chapter *Training the network*)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from guided_attention.errors import SettingsError, require_choice
from guided_attention.provenance import device_name

__all__ = ["HERE", "Where", "describe_device", "is_first_process", "prepare", "require_device", "require_devices"]

_ACCELERATORS = ("auto", "cpu", "cuda")
_ONE_EACH = (
    "SLURM and torchrun must start one process for each device: srun --ntasks-per-node={0}, torchrun "
    "--nproc-per-node={0}. Where none of them is meant, unset what they left in the environment (SLURM_NTASKS, RANK)."
)


@dataclass(frozen=True)
class Where:
    """Where a training runs, and until when.

    None of this makes a run what it is: each call that goes on with it may say something else.

    Parameters
    ----------
    accelerator : {"auto", "cpu", "cuda"}
        ``"auto"`` takes a GPU where there is one.
    devices : int
        How many of them share every batch; batch norm sees its device's part.
    until : float, optional
        Seconds since 1970, as `time.time` counts. Each call trains one epoch at least; no further one begins that
        would end later than this if it takes as long as the last.
    checkpointing : bool
        Forget features and compute them twice, see `guided_attention.models.recompute`: for small GPUs.
    """

    accelerator: str = "auto"
    devices: int = 1
    until: float | None = None
    checkpointing: bool = False


#: One device of this machine: its GPU, if it has one.
HERE = Where()


def prepare(where: Where, precision: str = "32-true") -> Any:
    """Make Lightning Fabric for a training: it knows which process this is, and starts no other before its launch.

    On one device a process trains alone, whatever torchrun or SLURM left in its environment. On several, Fabric looks
    there who started the processes; if nobody did, each further one is started at the launch, with the same command.

    Parameters
    ----------
    where : Where
    precision : str
        One of `guided_attention.evaluation.precision.PRECISIONS`.

    Returns
    -------
    lightning.fabric.Fabric

    Raises
    ------
    SettingsError
        As `require_devices`; or if the processes that somebody started are not one for each device.
    """
    require_devices(where.accelerator, where.devices)
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments import LightningEnvironment

    asked = {"accelerator": where.accelerator, "devices": where.devices, "precision": precision}
    if where.devices == 1:
        return Fabric(**asked, plugins=[LightningEnvironment()])
    try:
        fabric = Fabric(**asked, strategy="ddp")
        fabric.strategy.cluster_environment.validate_settings(where.devices, fabric.world_size // where.devices)
    except (RuntimeError, ValueError, KeyError) as error:  # what Lightning finds odd about SLURM's variables
        raise SettingsError(f"devices={where.devices}: {error}. {_ONE_EACH.format(where.devices)}") from error
    if fabric.world_size % where.devices:
        found = f"{fabric.world_size} processes were started"
        raise SettingsError(f"devices={where.devices}: {found}. {_ONE_EACH.format(where.devices)}")
    return fabric


def require_devices(accelerator: str, devices: int) -> None:
    """Raise a `SettingsError` unless this machine has such devices, and as many; arguments as for `Where`."""
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


def is_first_process(where: Where) -> bool:
    """Whether this process is alone, or the first of those that train together: the one that writes and speaks.

    Raises
    ------
    SettingsError
        As `prepare`.
    """
    require_devices(where.accelerator, where.devices)
    return where.devices == 1 or prepare(where).is_global_zero
