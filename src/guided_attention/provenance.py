"""Where a number comes from: code, versions and machine (chapter *Evaluating the network*)."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

import guided_attention

__all__ = ["Provenance", "peak_memory", "provenance"]


@dataclass(frozen=True)
class Provenance:
    """The code and the machine that made a record.

    Parameters
    ----------
    package : str
        Version of guided-attention.
    commit : str or None
        Git commit of the checkout that the package runs from. Without one, that of which this code is a clean copy, if
        the environment variable ``GUIDED_ATTENTION_COMMIT`` names it; None if it runs from an installation.
    dirty : bool or None
        Whether tracked files differed from that commit; None without a commit.
    python, torch, numpy, lightning : str
        Versions; ``lightning`` is None where it is not installed.
    platform : str
        Operating system and architecture, no host name.
    device : str
        Name of the processor or GPU.
    threads : int
        Threads that PyTorch uses for one operation.
    """

    package: str
    commit: str | None
    dirty: bool | None
    python: str
    torch: str
    numpy: str
    lightning: str | None
    platform: str
    device: str
    threads: int


def provenance(device: str | torch.device = "cpu") -> Provenance:
    """Gather the environment of this process.

    Parameters
    ----------
    device : str or torch.device
        Where the network runs.
    """
    commit, dirty = _git(Path(guided_attention.__file__).resolve().parent)
    if commit is None and os.environ.get("GUIDED_ATTENTION_COMMIT"):
        commit, dirty = os.environ["GUIDED_ATTENTION_COMMIT"], False
    try:
        lightning = version("lightning")
    except PackageNotFoundError:
        lightning = None
    return Provenance(
        package=guided_attention.__version__,
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        torch=str(torch.__version__),
        numpy=np.__version__,
        lightning=lightning,
        platform=f"{platform.system()} {platform.machine()}",
        device=device_name(device),
        threads=torch.get_num_threads(),
    )


def _git(package: Path) -> tuple[str | None, bool | None]:
    """Commit and dirty flag, if ``package`` lies in a checkout of this project.

    An installation may lie in a virtual environment inside somebody else's repository, whose commit would say
    nothing: only ``<top>/src/guided_attention`` counts.
    """

    def ask(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(package), *arguments],
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None  # no git here
        return done.stdout.strip() if done.returncode == 0 else None

    top = ask("rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() / "src" / package.name != package:
        return None, None
    commit, changes = ask("rev-parse", "HEAD"), ask("status", "--porcelain", "--untracked-files=no")
    return commit, None if commit is None or changes is None else bool(changes)


def device_name(device: str | torch.device) -> str:
    """Model name of the processor or GPU."""
    kind = torch.device(device)
    if kind.type == "cuda":
        return torch.cuda.get_device_name(kind)
    if kind.type != "cpu":
        return kind.type
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory(device: str | torch.device = "cpu") -> int | None:
    """Most memory used so far, in bytes: of the GPU by PyTorch, or of this process; None where nobody counts it."""
    kind = torch.device(device)
    if kind.type == "cuda":
        return torch.cuda.max_memory_allocated(kind)
    status = Path("/proc/self/status")
    if status.is_file():
        # Linux. Not getrusage: its ru_maxrss starts with the peak of the parent process.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform != "darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
