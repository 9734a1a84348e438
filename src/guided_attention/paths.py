"""What belongs to the package and lies beside it in its repository, and where it is when there is no repository.

An installed package has no recorded runs, no weights and no chapters. What it cannot do without travels in the wheel
(`carried`); everything else is asked for with a message that works without a checkout.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["REPOSITORY", "carried", "checkout", "home"]

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
