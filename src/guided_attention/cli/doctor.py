"""Whether everything works on this machine, in less than a minute and without a network: ``guided-attention doctor``.

Each check looks at one thing and is one line; a failing one says what to do. A check imports what it needs by itself,
so that a broken installation is a line like any other.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from guided_attention.errors import GuidedAttentionError

__all__ = ["CHECKS", "Finding", "doctor", "examine"]

#: What the chapters need, in bytes: chapter *Training the network* says 1.9 GB; data and runs of all take 0.5 GB.
MEMORY, DISK = 2 * 10**9, 10**9
#: What a broken installation or machine raises.
_TROUBLE = (GuidedAttentionError, ImportError, OSError, RuntimeError, AttributeError, TypeError, ValueError)


class _NotWellError(GuidedAttentionError):
    """What is wrong, and what to do."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Parameters
    ----------
    what : str
        What was looked at.
    well : bool
    said : str
        What was found; if it is not well, also what to do.
    """

    what: str
    well: bool
    said: str

    def __str__(self) -> str:
        return f"{'ok' if self.well else 'FAIL':<5} {self.what:<9} {' '.join(self.said.split())}"


def examine() -> Iterator[Finding]:
    """Make all `CHECKS`, each when the next finding is asked for; files are written to a temporary folder only."""
    with tempfile.TemporaryDirectory(prefix="guided-attention-doctor-", ignore_cleanup_errors=True) as folder:
        for check, advice in CHECKS.items():
            try:
                yield Finding(check.__name__, True, check(Path(folder)))
            except _NotWellError as error:
                yield Finding(check.__name__, False, str(error))
            except _TROUBLE as error:
                yield Finding(check.__name__, False, f"{type(error).__name__}: {error}. {advice}")


def doctor() -> None:
    """Find out in less than a minute whether everything works here: versions, device, memory, disk, one step.

    Needs no network. Every line that says FAIL also says what to do; then the command ends with status 1.
    """
    sick = False
    for finding in examine():
        print(finding, flush=True)
        sick = sick or not finding.well
    if sick:
        raise SystemExit(1)


def python(_: Path) -> str:
    """The interpreter, against what the package asks for."""
    from packaging.specifiers import SpecifierSet

    wanted, found = metadata.metadata("guided-attention")["Requires-Python"], platform.python_version()
    if not SpecifierSet(wanted).contains(found, prereleases=True):
        raise _NotWellError(f"{found}, needed {wanted}. Make an environment with a newer Python and install there.")
    return f"{found} (needed {wanted}), {platform.system()} {platform.machine()}"


def packages(_: Path) -> str:
    """What the package requires: there, not too old, and how far from the versions that the tests passed with."""
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    from guided_attention.cli.versions import installed, known_good, not_met, requirements

    needs = requirements()
    if bad := not_met(needs):
        saw = ", ".join(f"{need.name} {installed(need.name) or 'is missing'} (needed {need.specifier})" for need in bad)
        cure = " ".join(f'"{need.name}{need.specifier}"' for need in bad)
        raise _NotWellError(f"{saw}. Run: pip install {cure}")
    known, found = known_good(), {canonicalize_name(need.name): Version(installed(need.name)) for need in needs}
    other = [f"{n} {has} ({known[n]})" for n, has in found.items() if known[n].public != has.public]
    same = f"{len(found)} needed, all there, {len(found) - len(other)} in the version that the tests passed with"
    return f"{same}; others (tested): {', '.join(other)}" if other else same


def widgets(_: Path) -> str:
    """Whether the extra for the widgets is there; nothing else needs it."""
    from guided_attention.cli.versions import not_met, requirements

    needs = requirements("widgets")
    if lacking := not_met(needs):
        names = ", ".join(need.name for need in lacking)
        return f'not installed ({names}); the chapters with widgets need: pip install "guided-attention[widgets]"'
    return f"{len(needs)} packages, all there"


def device(_: Path) -> str:
    """What a training would run on."""
    from guided_attention.training.devices import describe_device

    return describe_device()


def memory(_: Path) -> str:
    """Memory that programs can still have."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():
        return f"not counted on {platform.system()}; the chapters need {MEMORY / 1e9:.0f} GB"
    lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    if free < MEMORY:
        raise _NotWellError(f"{free / 1e9:.1f} GB free, the chapters need {MEMORY / 1e9:.0f} GB. Close other programs.")
    return f"{free / 1e9:.1f} GB free (the chapters need {MEMORY / 1e9:.0f} GB)"


def disk(_: Path) -> str:
    """Space where data, runs and temporary files go."""
    from guided_attention.data import phantom_folder
    from guided_attention.paths import runs_folder

    free = {}
    for place in (phantom_folder(), runs_folder(), Path(tempfile.gettempdir())):
        there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.is_dir())
        free[there] = shutil.disk_usage(there).free
    if full := [f"{place} has {left / 1e9:.2f} GB" for place, left in free.items() if left < DISK]:
        raise _NotWellError(
            f"{', '.join(full)}, needed {DISK / 1e9:.0f} GB each. Make room, or name folders on another disk by the "
            "environment variables GUIDED_ATTENTION_DATA, GUIDED_ATTENTION_RUNS and TMPDIR."
        )
    return f"{min(free.values()) / 1e9:.0f} GB free or more in {', '.join(map(str, free))}"


def phantom(folder: Path) -> str:
    """Draw two subjects of the tiny phantom, and read every file of theirs."""
    from guided_attention.data import open_source, write_phantom

    start = time.perf_counter()
    source = open_source(write_phantom(folder / "phantom", 2, preset="tiny", workers=1, progress=False))
    source.check().raise_if_bad()
    return f"{len(source.subjects)} tiny synthetic subjects drawn and read in {time.perf_counter() - start:.0f} s"


def training(folder: Path) -> str:
    """One step of the whole network on the device that a training takes, a validation, and a checkpoint."""
    from guided_attention.data import InputSettings, open_source
    from guided_attention.models import build_model
    from guided_attention.training.loop import fit
    from guided_attention.training.settings import FitSettings, get_preset

    if not (folder / "phantom").is_dir():
        raise _NotWellError("not tried, because there is no phantom to train on: mend that first.")
    source, start = open_source(folder / "phantom"), time.perf_counter()
    first, second = (source.read(subject) for subject in source.subjects)
    name = "ms-dual-guided"
    model = build_model(name, **get_preset("quick").model_options(name))
    one_step = FitSettings(epochs=1, batch_size=8, inputs=InputSettings(size=64, how="resample"))
    few = replace(first, image=first.image[:8], labels=first.labels[:8])
    result = fit(model, [few], [second], one_step, folder / "run", progress=False)
    loss, seconds = result.history[0]["loss"], time.perf_counter() - start
    return f"one step of {name} on {next(model.parameters()).device}: loss {loss:.1f}, {seconds:.0f} s"


_REINSTALL = "Install the package again in a new environment."
#: What is looked at, in this order, and what to do when it breaks in an unforeseen way.
CHECKS: dict[Callable[[Path], str], str] = {
    python: _REINSTALL,
    packages: _REINSTALL,
    widgets: 'Run: pip install "guided-attention[widgets]"',
    device: "Install PyTorch again as pytorch.org says for this machine; without a driver for its GPU set "
    "CUDA_VISIBLE_DEVICES= (empty).",
    memory: "Look at it yourself; the chapters need 2 GB.",
    disk: "Name folders that can be written by GUIDED_ATTENTION_DATA, GUIDED_ATTENTION_RUNS and TMPDIR.",
    phantom: "If the disk is full or cannot be written, set TMPDIR to another folder; else: " + _REINSTALL.lower(),
    training: "If the message names the GPU, train with --accelerator cpu; else: " + _REINSTALL.lower(),
}
