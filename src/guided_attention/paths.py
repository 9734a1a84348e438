"""Where things lie: beside the package in its repository, elsewhere when there is no repository, and in a run's folder.

An installed package has no recorded runs, no weights and no chapters. What it cannot do without travels in the wheel
(`carried`); everything else is asked for with a message that works without a checkout.
"""

from __future__ import annotations

import os
from pathlib import Path

from guided_attention.errors import DataError

__all__ = [
    "REPOSITORY",
    "WEIGHTS",
    "RunFolder",
    "carried",
    "checkout",
    "data_folder",
    "home",
    "results_folder",
    "runs_folder",
    "speed_folder",
    "weights_file",
    "weights_folder",
]

#: Where the project lives; a test compares it with ``_config.yml``.
REPOSITORY = "https://github.com/guided-attention/guided-attention"
#: Where the book's trained networks lie in it.
WEIGHTS = "book/weights/phantom-t1dual-in"

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


def data_folder(name: str) -> Path:
    """Return where a data set is kept unless told otherwise, ``phantom`` or ``chaos``.

    In the folder that the environment variable ``GUIDED_ATTENTION_DATA`` names; without it in ``data`` of the
    repository, or of the working directory where the package is installed without one.
    """
    return _folder("GUIDED_ATTENTION_DATA", "data") / name


def weights_folder() -> Path | None:
    """Return `WEIGHTS` of the checkout that the package runs from, or None."""
    folder = carried(WEIGHTS)
    return folder if folder.is_dir() else None


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


def speed_folder() -> Path:
    """Return where the records of ``python -m benchmarks`` are: ``benchmarks/records`` of the repository.

    Raises
    ------
    DataError
        If there is no such folder: an installed package does not bring it.
    """
    folder = home() / "benchmarks" / "records"
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; expected the records of speed, which lie in the book's repository and do not "
            f"come with the package. Fetch it: git clone --depth 1 {REPOSITORY}"
        )
    return folder


def _folder(variable: str, name: str) -> Path:
    named = os.environ.get(variable)
    return Path(named) if named else home() / name


class RunFolder:
    """The folder of a run, and the names of what `fit` and `guided_attention.experiments.run_trial` write into it.

    Parameters
    ----------
    path : path
        Need not exist.

    Attributes
    ----------
    checkpoints, tensorboard : Path
        Folders.
    history, weights, record, predictions, lock : Path
        The learning curve, the best epoch's network (its description beside it), the record, the label volumes of the
        test subjects, and what a second process waits for.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.history = self.path / "history.csv"
        self.weights = self.path / "model.safetensors"
        self.record = self.path / "record.json"
        self.predictions = self.path / "predictions.npz"
        self.lock = self.path / ".lock"

    @property
    def complete(self) -> bool:
        """Whether everything is there that a finished run leaves."""
        return all(path.exists() for path in (self.record, self.weights, self.predictions))


def weights_file(path: str | Path) -> Path:
    """Return the file of a network's weights: ``path`` itself, or that of the run whose folder it is."""
    return RunFolder(path).weights if Path(path).is_dir() else Path(path)
