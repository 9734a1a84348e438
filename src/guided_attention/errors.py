"""The errors that are meant for people.

Each says which file or argument is wrong, what was expected, what was found and what to do. The command line prints
them without a traceback and exits with a nonzero status, as it does with what the operating system refuses;
everything else is a bug and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

__all__ = [
    "CheckpointError",
    "DamagedError",
    "DataError",
    "DataWarning",
    "GuidedAttentionError",
    "MissingExtraError",
    "NotFiniteError",
    "OutOfTimeError",
    "SettingsError",
    "require_choice",
    "require_extra",
]


class GuidedAttentionError(Exception):
    """Base of all errors that a user can do something about."""


class DataError(GuidedAttentionError, ValueError):
    """A file or folder of images or labels is not what it should be."""


class DataWarning(UserWarning):
    """A file or folder of images or labels is odd, but its meaning is clear: it is used."""


class SettingsError(GuidedAttentionError, ValueError):
    """An argument or a setting has a value that cannot work."""


class CheckpointError(GuidedAttentionError):
    """A checkpoint is missing, damaged, or belongs to another run or model."""


class DamagedError(CheckpointError):
    """A file of a checkpoint or network is missing or not as it was written: without it the rest can still be used."""


class NotFiniteError(GuidedAttentionError, ArithmeticError):
    """A computation gave NaN or infinity: nothing that follows from it may be kept."""


class OutOfTimeError(GuidedAttentionError):
    """The time that was given is over; what was done is kept, and the same command goes on from there."""


class MissingExtraError(GuidedAttentionError, ImportError):
    """A package is not installed that only a part of this one needs: an extra of ``pyproject.toml`` brings it."""


def require_choice(argument: str, value: object, choices: Sequence[object]) -> None:
    """Raise a `SettingsError` that lists the choices unless ``value`` is one of them."""
    if value not in choices:
        raise SettingsError(f"{argument}={value!r} is unknown; choose one of {', '.join(map(repr, choices))}.")


def require_extra(extra: str, *modules: str) -> None:
    """Raise a `MissingExtraError` that says what to install, unless all modules are there; none is imported.

    Parameters
    ----------
    extra : str
        Of ``pyproject.toml``; it brings the modules.
    *modules : str
        Names as in ``import``.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f'{", ".join(missing)}: not installed here. Run: pip install "guided-attention[{extra}]" (in a notebook, '
            "%pip install ...). What is installed already stays."
        )
