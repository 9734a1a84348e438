"""What belongs to the package and lies beside it in its repository, and where it is when there is no repository.

An installed package has no recorded runs, no weights and no chapters. What it cannot do without travels in the wheel
(`carried`); everything else is asked for with a message that works without a checkout.
"""

from __future__ import annotations

import os
from pathlib import Path

from guided_attention.errors import DataError

__all__ = ["REPOSITORY", "carried", "checkout", "home", "results_folder", "runs_folder"]

#: Where the project lives; a test compares it with ``_config.yml``.
REPOSITORY = "https://github.com/guided-attention/guided-attention"

_PACKAGE = Path(__file__).resolve().parent


def checkout() -> Path | None:
    """Return the root of the repository that the package runs from; None if it is installed without one."""
    root = _PACKAGE.parents[1]
    return root if _PACKAGE.parent.name == "src" and (root / "pyproject.toml").is_file() else None


def home() -> Path:
    """Return the folder in which data and runs are kept unless told otherwise: the repository, or where one works."""
    return checkout() or Path.cwd()


def carried(path: str) -> Path:
    """Return a file or folder that a wheel carries along, by its path in the repository (``setup.py`` lists them)."""
    return (checkout() or _PACKAGE / "carried") / path


def runs_folder() -> Path:
    """Return where the chapters keep what they train.

    The folder that the environment variable ``GUIDED_ATTENTION_RUNS`` names; without it ``runs`` in the repository,
    or in the working directory where the package is installed without one.
    """
    return _folder("GUIDED_ATTENTION_RUNS", "runs")


def results_folder() -> Path:
    """Return where the recorded runs are that the chapters read (chapters *Ablation* and *State of the art*).

    The folder that the environment variable ``GUIDED_ATTENTION_RESULTS`` names; without it ``results`` in the
    repository, or in the working directory where the package is installed without one.

    Raises
    ------
    DataError
        If there is no such folder: an installed package does not bring the records.
    """
    folder = _folder("GUIDED_ATTENTION_RESULTS", "results")
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; expected the recorded runs, which lie in results/ of the book's repository and "
            f"do not come with the package. Fetch it (git clone --depth 1 {REPOSITORY}), and set the environment "
            "variable GUIDED_ATTENTION_RESULTS to its folder results."
        )
    return folder


def _folder(variable: str, name: str) -> Path:
    named = os.environ.get(variable)
    return Path(named) if named else home() / name
