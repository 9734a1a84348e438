"""The errors that are meant for people.

Each says which file or argument is wrong, what was expected, what was found and what to do. The command line prints
them without a traceback and exits with a nonzero status, as it does with what the operating system refuses;
everything else is a bug and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["CheckpointError", "DataError", "GuidedAttentionError", "SettingsError", "require_choice"]


class GuidedAttentionError(Exception):
    """Base of all errors that a user can do something about."""


class DataError(GuidedAttentionError, ValueError):
    """A file or folder of images or labels is not what it should be."""


class SettingsError(GuidedAttentionError, ValueError):
    """An argument or a setting has a value that cannot work."""


class CheckpointError(GuidedAttentionError):
    """A checkpoint is missing, damaged, or belongs to another run or model."""


def require_choice(argument: str, value: object, choices: Sequence[object]) -> None:
    """Raise a `SettingsError` that lists the choices unless ``value`` is one of them."""
    if value not in choices:
        raise SettingsError(f"{argument}={value!r} is unknown; choose one of {', '.join(map(repr, choices))}.")
