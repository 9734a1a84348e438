"""What is wrong with a data set, all of it at once (chapter *From scanner to tensor*).

Readers do not stop at the first bad file. They note every problem in `Findings`, and give a volume only if there was
none: so one report names everything that has to be mended, and nothing half-read reaches a network.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from guided_attention.data.digest import Fingerprint
from guided_attention.errors import DataError, DataWarning

if TYPE_CHECKING:
    from guided_attention.data.portrait import Portrait

__all__ = ["Findings", "IntegrityReport", "Problem", "decoding", "grey_values"]

#: Warnings, and subjects of each, that are told in short.
_SHORT = 4


@contextmanager
def decoding(kind: str) -> Iterator[None]:
    """Turn whatever another library's decoder raises over a damaged file into a `DataError`.

    Which errors those are no list can say: a decoder follows what the bytes tell it. So only the decoder's calls
    belong into the block, and nothing of our own, whose mistakes must not pass for damaged files.

    Parameters
    ----------
    kind : str
        What the file should be: ``"DICOM"``.
    """
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError("does not exist") from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise DataError(f"cannot be read as {kind}, it is cut or damaged ({said})") from error


def grey_values(values: np.ndarray, hint: str = "") -> np.ndarray:
    """Return grey values as float32, the type that volumes have; a `DataError` if that makes one NaN or infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        single = np.asarray(values, np.float32)
    bad = int((~np.isfinite(single)).sum())
    if bad:
        raise DataError(
            f"expected finite grey values, up to {np.finfo(np.float32).max:.2g}, found NaN or infinity in {bad} voxels"
            f"{hint}"
        )
    return single


@dataclass(frozen=True)
class Problem:
    """One thing to say of one file or folder: that it is wrong, or odd, or not read.

    Parameters
    ----------
    subject : str
        Whose file it is; empty if nobody's.
    path : Path
        The file, or the folder where one is missing.
    message : str
        What was expected and what was found.
    """

    subject: str
    path: Path
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass(frozen=True)
class IntegrityReport:
    """What a check found in a data set: every file was read, is ignored with a reason, or is wrong.

    Parameters
    ----------
    problems : tuple of Problem
        Empty if the set can be used.
    subjects : tuple of str
        Who was read, completely.
    fingerprints : mapping from subject to Fingerprint
        What the volumes hold, of those with which nothing is wrong.
    warnings : tuple of Problem
        What can be used but is odd: a person should look at it.
    ignored : tuple of Problem
        Files that were not read, and why.
    portraits : mapping from subject to Portrait
        Spacing and grey values of those with which nothing is wrong.
    """

    problems: tuple[Problem, ...]
    subjects: tuple[str, ...]
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    ignored: tuple[Problem, ...] = ()
    portraits: Mapping[str, Portrait] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; warnings do not count."""
        return not self.problems

    def raise_if_bad(self) -> None:
        """Raise a `DataError` whose message is the whole report, unless nothing is wrong."""
        if not self.ok:
            raise DataError(str(self))

    def warn(self) -> None:
        """Give the warnings as one `DataWarning`, in a few lines: the whole report is for those who ask for it."""
        if self.warnings:
            warnings.warn(self._in_short(), DataWarning, stacklevel=3)

    def _in_short(self) -> str:
        alike: dict[str, list[str]] = {}
        for warning in self.warnings:
            alike.setdefault(warning.message, []).append(warning.subject)
        affected = len({warning.subject for warning in self.warnings})
        lines = [
            f"something is odd about {affected} of {_count(len(self.subjects), 'subject')}, which are used as they "
            "are (guided-attention data check shows all of it):"
        ]
        for message, subjects in list(alike.items())[:_SHORT]:
            more = f" and {len(subjects) - _SHORT} more" if len(subjects) > _SHORT else ""
            lines.append(f"  {', '.join(subjects[:_SHORT])}{more}: {message}")
        if len(alike) > _SHORT:
            lines.append(f"  and {len(alike) - _SHORT} more warnings")
        return "\n".join(lines)

    def __str__(self) -> str:
        lines = self._lines(self.problems, "problem", "mend these files, or move them away, then try again:")
        if self.ok:
            lines = [f"{_count(len(self.subjects), 'subject')} read completely, nothing wrong."]
        lines += self._lines(self.warnings, "warning", "used as they are:")
        if self.ignored:
            lines += [f"{_count(len(self.ignored), 'other file')} ignored:", *(f"  {other}" for other in self.ignored)]
        return "\n".join(lines)

    def _lines(self, problems: tuple[Problem, ...], noun: str, what: str) -> list[str]:
        affected = dict.fromkeys(problem.subject for problem in problems)
        if not affected:
            return []
        lines = [f"{_count(len(problems), noun)} in {len(affected)} of {_count(len(self.subjects), 'subject')}; {what}"]
        for subject in affected:
            lines.append(f"  subject {subject}")
            lines += [f"    {problem}" for problem in problems if problem.subject == subject]
        return lines


@dataclass
class Findings:
    """A notebook that the readers of one subject write problems into.

    Parameters
    ----------
    subject : str
        Whose files are read.
    problems : list of Problem
        What was found so far.
    warnings : list of Problem
        What is odd, but can be used.
    ignored : list of Problem
        What was not read, and why.
    """

    subject: str
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    ignored: list[Problem] = field(default_factory=list)

    def add(self, path: str | Path, message: str) -> None:
        """Note a problem of a file or folder."""
        self.problems.append(Problem(self.subject, Path(path), message))

    def warn(self, path: str | Path, message: str) -> None:
        """Note something odd about a file or folder."""
        self.warnings.append(Problem(self.subject, Path(path), message))

    def ignore(self, path: str | Path, reason: str) -> None:
        """Note that a file is not read."""
        self.ignored.append(Problem(self.subject, Path(path), reason))

    def __bool__(self) -> bool:
        return bool(self.problems)

    def raise_if_any(self, tell: bool = True) -> None:
        """Raise a `DataError` that names every file, if there is a problem; else give the warnings, if they are new."""
        IntegrityReport(tuple(self.problems), (self.subject,), ignored=tuple(self.ignored)).raise_if_bad()
        for warning in self.warnings if tell else ():
            warnings.warn(str(warning), DataWarning, stacklevel=3)  # the line that reads


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
